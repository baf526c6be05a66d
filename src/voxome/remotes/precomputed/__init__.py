"""Neuroglancer's precomputed format: volumes, meshes, skeletons and annotations, each with an ``info`` file."""
