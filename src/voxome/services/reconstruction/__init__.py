"""Tomographic reconstruction of X-ray volumes from projections."""

from voxome.extras import require

require("reconstruction", "skimage")
