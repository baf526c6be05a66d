"""Objects whose centre lines are known: tubes along polylines and curves, and balls."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def sample_line(points_nm: ArrayLike, step_nm: float = 2.0) -> NDArray[np.float64]:
    """Return points along a polyline (n, 3), at most `step_nm` apart."""
    points = np.asarray(points_nm, float)
    parts = [points[:1]]
    for a, b in itertools.pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm(b - a) / step_nm)))
        parts.append(a + (b - a) * np.arange(1, count + 1)[:, None] / count)
    return np.concatenate(parts)


def length_nm(points_nm: ArrayLike) -> float:
    """Return the length of a polyline."""
    return float(np.linalg.norm(np.diff(np.asarray(points_nm, float), axis=0), axis=1).sum())


def draw_tube(
    labels: NDArray[np.uint64], points_nm: ArrayLike, radius_nm: float, voxel_size_nm: Sequence[float], label: int = 1
) -> None:
    """Give `label` to the voxels whose centre is within `radius_nm` of a polyline; ends are half balls."""
    size = np.asarray(voxel_size_nm, float)
    for point in sample_line(points_nm, 0.5 * min(size)):
        low = np.maximum(np.floor((point - radius_nm) / size).astype(int), 0)
        high = np.minimum(np.ceil((point + radius_nm) / size).astype(int) + 1, labels.shape)
        if (low >= high).any():
            continue
        axes = [(np.arange(a, b) + 0.5) * s - p for a, b, s, p in zip(low, high, size, point, strict=True)]
        squared = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
        labels[tuple(map(slice, low, high))][squared <= radius_nm**2] = label
