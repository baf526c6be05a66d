"""KNOSSOS cubes: a ``knossos.conf``, and a file for every 128 voxels a side."""
