"""Neuroglancer's precomputed format."""
