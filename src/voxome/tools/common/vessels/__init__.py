"""Vessels: runs of a mask, centre lines, and the graph of branches.

Volumes of vessels are sparse: memory is that of the vessel voxels, whatever the size of the volume.
"""
