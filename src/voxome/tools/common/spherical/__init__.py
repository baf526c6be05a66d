"""Greedy search for spheres: exact sums over balls, and a selection that does not depend on the blocks."""

from __future__ import annotations

from voxome.extras import require

require("em", "numba")
