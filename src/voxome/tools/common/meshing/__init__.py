"""Meshes from labels: surfaces of blocks, their joining, simplification, distances and measures."""

from voxome.extras import require

require("services", "fastremap", "numba", "zmesh")
