"""Length and width of objects, from the second moments of their voxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.tools.common.vessels.runs import Index, count_voxels

Lengths = NDArray[np.float64]


class Extents(NamedTuple):
    """Length and width of every object, in nm: those of a cylinder with the same moments."""

    length: Lengths
    width: Lengths


def measure_extents(runs: Rows, objects: Index, voxel_size: Sequence[float]) -> Extents:
    """Return how long and how wide objects are.

    The variance of a cylinder is a twelfth of the square of its length along it, and a sixteenth of that of its width
    across. A ball is about as long as wide.

    Parameters
    ----------
    runs : Rows
        ``z``, ``y``, ``start`` and ``stop`` of runs along x, in voxels.
    objects : (runs,) int64
        Object of every run: 0, 1, …
    voxel_size : (z, y, x)
        In nm.
    """
    voxels = count_voxels(runs).astype(np.float64)
    first = np.unique(objects, return_index=True)[1]
    z, y, start = ((runs[name] - runs[name][first][objects]).astype(np.float64) for name in ("z", "y", "start"))
    middle = np.stack([z, y, start + (voxels - 1) / 2], axis=1) * np.asarray(voxel_size)
    total = np.bincount(objects, voxels)
    mean = np.stack([np.bincount(objects, voxels * middle[:, axis]) / total for axis in range(3)], axis=1)
    away = middle - mean[objects]
    covariance = np.empty((len(total), 3, 3))
    for i in range(3):
        for j in range(3):
            covariance[:, i, j] = np.bincount(objects, voxels * away[:, i] * away[:, j]) / total
    within = np.bincount(objects, voxels * (voxels**2 - 1)) / total  # along x, of the voxels of each run
    covariance[:, 2, 2] += within * voxel_size[2] ** 2 / 12
    covariance += np.diag(np.square(voxel_size) / 12)  # of each voxel
    variance = np.linalg.eigvalsh(covariance)
    return Extents(np.sqrt(12 * variance[:, 2]), 4 * np.sqrt(variance[:, 1]))
