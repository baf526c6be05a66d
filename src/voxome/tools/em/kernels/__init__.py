"""Segmentation kernels for EM affinities: pure functions whose results do not depend on the blocks."""
