"""Voxels combined in cells, by the rule of ``docs/downsampling.md``; results do not depend on how a volume is cut."""

from voxome.extras import require

require("services", "numba")
