"""Encodings of voxels and labels in numpy, independent of the client's."""
