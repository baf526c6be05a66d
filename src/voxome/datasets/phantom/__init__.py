"""Synthetic neuropil with a complete truth, made block by block from a seed."""
