"""Synthetic neuropil with complete ground truth, generated block by block from a seed."""
