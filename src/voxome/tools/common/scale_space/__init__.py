"""Blobs in scale space: responses to a Laplacian of Gaussians, their peaks, and which of them are kept."""

from voxome.extras import require

require("em", "numba")
