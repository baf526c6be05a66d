"""Synthetic tissue of cells and vessels with complete ground truth, generated block by block from a seed."""

from voxome.extras import require

require("xrm", "networkx", "numba")
