"""Training of the affinity network; requires torch."""
