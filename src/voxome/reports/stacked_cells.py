"""Whether cells that are longer along z than wide were found several times, one above the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome.contracts.kinds import Rows

_REACH = 4.0
"""How far along an axis another cell is in line with a cell, in radii; beside the axis it is 1."""
_MIN_CELLS = 20
_MIN_SHARE = 0.2
_MIN_RATIO = 2.0
"""Stacked cells along z, by those along y or x, which there are by chance."""


def stack_facts(cells: Rows) -> dict[str, str]:
    """Return how many cells have another one above or below, if far more have than beside; else nothing.

    Parameters
    ----------
    cells : Rows
        Table of cells: ``z_nm, y_nm, x_nm, radius_nm``.
    """
    position = np.stack([cells[name] for name in ("z_nm", "y_nm", "x_nm")], axis=1)
    if len(position) < _MIN_CELLS:
        return {}
    along_z, *beside = (_count_in_line(position, cells["radius_nm"], axis) for axis in range(3))
    if along_z < max(_MIN_SHARE * len(position), _MIN_RATIO * max(beside)):
        return {}
    counts = f"{along_z:,} of {len(position):,}, along y {beside[0]:,}, along x {beside[1]:,}"
    return {
        "cells in line along z": f"{counts}: if these are parts of longer cells, set z_stretch (docs/cells-vessels.md)"
    }


def _count_in_line(position: NDArray[np.float64], radius: NDArray[np.float64], axis: int) -> int:
    """Return how many cells have another one within `_REACH` radii along an axis, and one radius along the others."""
    scaled = position.copy()
    scaled[:, axis] /= _REACH
    nearest, _ = KDTree(scaled).query(scaled, k=2, p=np.inf)
    return int((nearest[:, 1] < radius).sum())
