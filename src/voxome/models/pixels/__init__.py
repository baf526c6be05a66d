"""Pixel classifiers: features of the surroundings of a voxel, random forests and mixtures of grey values."""

from __future__ import annotations

from voxome.extras import require

require("pixels", "numba")
