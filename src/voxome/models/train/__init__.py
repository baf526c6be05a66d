"""Training of the affinity network; needs torch."""
