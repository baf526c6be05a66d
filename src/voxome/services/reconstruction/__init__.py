"""Tomographic reconstruction of X-ray volumes from projections."""
