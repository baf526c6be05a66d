"""Formats of voxels and labels on the wire, in numpy; independent of the ones that the client uses."""
