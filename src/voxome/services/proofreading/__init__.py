"""Proofreading of label volumes: a mapping from supervoxels to segments, in a database beside the voxels."""
