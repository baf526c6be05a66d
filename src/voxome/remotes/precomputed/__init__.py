"""Neuroglancer's precomputed volumes: an ``info`` file, and chunks or shards for every scale."""
