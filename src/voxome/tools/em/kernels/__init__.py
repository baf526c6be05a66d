"""Segmentation of EM affinities: pure functions whose results do not depend on how a volume is cut."""
