"""The APIs that a relay speaks, found by the registry."""
