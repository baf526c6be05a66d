"""Skeletons of labels: traced in blocks, joined and pruned per object; pure functions of arrays."""

from voxome.extras import require

require("services", "cc3d", "edt", "fastremap", "numba")
