"""Radius of vessels from their cross-section: the volume of a stretch of a vessel over its length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from voxome.tools.common.vessels.paths import SIGMA, Path, Positions
from voxome.tools.common.vessels.run_mask import RunMask

Lengths = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """The points of all paths.

    Attributes
    ----------
    branch, index : (n,) int64
        Branch of every point, and its number along it.
    positions : (n, 3) float64
        In nm.
    length : (n,) float64
        Length of the path that a point stands for: half of the way to the points beside it.
    inner : (n,) float64
        Distance along the path to the nearer of its ends, less the distance of that to the background.
    distance : (n,) float64
        Distance to the background.
    """

    branch: NDArray[np.int64]
    index: NDArray[np.int64]
    positions: Positions
    length: Lengths
    inner: Lengths
    distance: Lengths

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Samples:
        """Return the points of paths."""
        count = [len(path.points) for path in paths]
        parts = [_measured(path) for path in paths]
        length, inner = (np.concatenate([np.zeros(0), *(part[i] for part in parts)]) for i in range(2))
        return cls(
            np.repeat(np.arange(len(paths)), count),
            np.concatenate([np.zeros(0, np.int64), *map(np.arange, count)]),
            np.concatenate([np.zeros((0, 3)), *(path.points for path in paths)]),
            length,
            inner,
            np.concatenate([np.zeros(0), *(path.distance for path in paths)]),
        )


@dataclass(frozen=True)
class Radii:
    """Radius of every branch, and around every point, in nm."""

    branches: Lengths
    points: Lengths


def measure_radii(
    samples: Samples,
    mask: RunMask,
    voxel_size: Sequence[float],
    offset: Sequence[float],
    section_nm: float | None = None,
) -> Radii:
    """Return radii of circles that have the area of the cross-sections; in a single section, half the width.

    Every voxel of the vessels counts for one point, that whose ball reaches farthest beyond it: with the least squared
    distance less the square of its distance to the background (a power diagram), so that thick vessels keep their
    surface. The radius of a branch is that of the points that are farther from its ends than these from the
    background; without any, it is the mean radius of the largest balls inside. An area is exact to less than a voxel
    where distances to the background are not: columns of 3 and 4 voxels have the same.

    Parameters
    ----------
    samples : Samples
        Points of the paths.
    mask : RunMask
        The vessels.
    voxel_size, offset : (z, y, x)
        Size of the voxels, and position of the centre of voxel index 0, in nm.
    section_nm : float, optional
        Thickness of the section, if the volume has only one.
    """
    branches = int(samples.branch.max()) + 1 if len(samples.branch) else 0
    if not branches:
        return Radii(np.zeros(0), np.zeros(0))
    starts = np.flatnonzero(samples.index == 0)
    parts = [slice(a, b) for a, b in zip(starts, [*starts[1:], len(samples.index)], strict=True)]
    volume = _volumes(samples, parts, mask, np.asarray(voxel_size, np.float64), np.asarray(offset, np.float64))
    inscribed = np.maximum(samples.distance - min(voxel_size) / 2, 0)
    inner = samples.inner > 0
    radii = np.empty(branches)
    points = np.empty(len(volume))
    for number, part in enumerate(parts):
        used = inner[part]
        total, length = volume[part][used].sum(), samples.length[part][used].sum()
        points[part] = _local_radius(volume[part], samples.length[part], inscribed[part], section_nm)
        radii[number] = _radius(total / length, section_nm) if total else inscribed[part].mean()
    return Radii(radii, points)


def _radius(area: Any, section_nm: float | None) -> Any:
    """Return the radius of a circle of this area, or half the width of a vessel in a section."""
    return np.sqrt(area / np.pi) if section_nm is None else area / (2 * section_nm)


def _local_radius(volume: Lengths, length: Lengths, inscribed: Lengths, section_nm: float | None) -> Lengths:
    """Return the radius around every point of a branch; no voxel may be nearest to its ends, on the surface."""
    if len(volume) < 3 or not volume[1:-1].any():
        return inscribed
    inner = _radius(_spread(_merge_ends(volume)) / _spread(_merge_ends(length)), section_nm)
    return np.concatenate((inner[:1], inner, inner[-1:]))


def _merge_ends(values: Lengths) -> Lengths:
    """Return values without the first and the last, which are added to those beside them."""
    merged = values[1:-1].copy()
    merged[0] += values[0]
    merged[-1] += values[-1]
    return merged


def _spread(values: Lengths) -> Lengths:
    return np.asarray(ndimage.gaussian_filter1d(values, SIGMA, mode="nearest"), np.float64)


def _measured(path: Path) -> tuple[Lengths, Lengths]:
    """Return the length that every point of a path stands for, and how far inside of its ends it is."""
    steps = np.linalg.norm(np.diff(path.points, axis=0), axis=1)
    along = np.insert(np.cumsum(steps), 0, 0)
    inner = np.minimum(along - path.distance[0], along[-1] - along - path.distance[-1])
    return (np.append(steps, 0) + np.insert(steps, 0, 0)) / 2, inner


def _volumes(samples: Samples, parts: Sequence[slice], mask: RunMask, voxel_size: Lengths, offset: Lengths) -> Lengths:
    """Return the volume of the voxels that count for every point.

    Distances to the background are smoothed along each branch: they differ by a voxel between points side by side,
    which would move voxels by several points.
    """
    squares = np.concatenate([_spread(samples.distance[part]) for part in parts]) ** 2
    lifted = np.column_stack((samples.positions, np.sqrt(squares.max() - squares)))
    tree = KDTree(lifted)
    counts = np.zeros(len(lifted), np.int64)
    for voxels in mask.voxels():
        nearest = tree.query(np.column_stack((voxels * voxel_size + offset, np.zeros(len(voxels)))))[1]
        counts += np.bincount(nearest, minlength=len(counts))
    return (counts * float(np.prod(voxel_size))).astype(np.float64)
