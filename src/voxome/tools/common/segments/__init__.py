"""Measures of segments: sizes, moments, surfaces, grey values and contacts, as exact sums that blocks add up."""

from voxome.extras import require

require("services", "numba")
