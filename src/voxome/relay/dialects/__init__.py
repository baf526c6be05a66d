"""The protocols that a relay speaks to its clients."""
