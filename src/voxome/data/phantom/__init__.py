"""Synthetic neuropil with complete ground truth, generated block by block from a seed."""

from voxome.extras import require

require("em", "cc3d", "numba")
