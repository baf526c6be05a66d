"""Measures of segments and contacts, from their sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.tools.common.segments.limbs import BITS, join
from voxome.tools.common.segments.sums import AXES, POSITION_LIMBS, PRODUCT_LIMBS, SUM_LIMBS

Floats = NDArray[np.float64]
_RANKS = ("major", "middle", "minor")
_POSITION = dict.fromkeys(AXES, "float64") | {f"{axis}_nm": "float64" for axis in AXES}

REGIONS = {
    "id": "uint64",
    "voxels": "int64",
    "volume_nm3": "float64",
    **_POSITION,
    **{f"{end}_{axis}": "int64" for end in ("start", "stop") for axis in AXES},
    **{f"faces_{axis}": "int64" for axis in AXES},
    "surface_nm2": "float64",
    **{f"{rank}_axis_nm": "float64" for rank in _RANKS},
    **{f"{rank}_{axis}": "float64" for rank in _RANKS for axis in AXES},
}
"""Columns of the table of segments."""
VALUES = {"values": "int64", "mean": "float64", "std": "float64", "min": "float64", "max": "float64"}
"""Its columns about the values of another volume."""
CONTACTS = {
    "a": "uint64",
    "b": "uint64",
    **{f"faces_{axis}": "int64" for axis in AXES},
    "area_nm2": "float64",
    **_POSITION,
}
"""Columns of the table of contacts."""


def measure_regions(sums: Rows, start: Sequence[int], voxel_size_nm: Sequence[float] | None) -> Rows:
    """Return the measures of segments, without those of values.

    Parameters
    ----------
    sums : mapping of str to array
        Sums of segments, one row an id.
    start : (z, y, x)
        First voxel of the domain, from which the sums count.
    voxel_size_nm : (z, y, x) or None
        Voxel size; measures in nm are NaN if None.

    Returns
    -------
    mapping of str to array
        The columns `REGIONS`.
    """
    size = np.full(3, np.nan) if voxel_size_nm is None else np.asarray(voxel_size_nm, np.float64)
    voxels = sums["voxels"]
    table: Rows = {"id": sums["id"], "voxels": voxels, "volume_nm3": voxels * np.prod(size)}
    first = [join([sums[name] for name in names]) for names in SUM_LIMBS.values()]
    table |= _positions([_quotient(total, voxels) for total in first], np.asarray(start) + 0.5, size)
    for end in ("start", "stop"):
        table |= {f"{end}_{axis}": sums[f"{end}_{axis}"] + at for axis, at in zip(AXES, start, strict=True)}
    areas = _areas(size)
    table |= {f"faces_{axis}": sums[f"faces_{axis}"] for axis in AXES}
    table["surface_nm2"] = sum(sums[f"faces_{axis}"] * area for axis, area in zip(AXES, areas, strict=True))
    lengths, directions = _principal_axes(_covariances(sums, first), size)
    for rank, name in enumerate(_RANKS):
        table[f"{name}_axis_nm"] = lengths[:, rank]
    for rank, name in enumerate(_RANKS):
        table |= {f"{name}_{axis}": directions[:, at, rank] for at, axis in enumerate(AXES)}
    return table


def measure_values(sums: Rows, values: Rows) -> Rows:
    """Return the mean, standard deviation, smallest and largest value under every segment; NaN where there is none.

    Parameters
    ----------
    sums : mapping of str to array
        Sums of segments, one row an id, sorted.
    values : mapping of str to array
        Sums of values of the same segments, sorted by id.

    Returns
    -------
    mapping of str to array
        The columns `VALUES`. Mean and standard deviation are those of the exact sums, rounded once.
    """
    counts = sums["values"].tolist()
    edges = np.searchsorted(values["id"], sums["id"]).tolist()
    ends = np.searchsorted(values["id"], sums["id"], side="right").tolist()
    power, place, total = (values[name].tolist() for name in ("power", "place", "total"))
    mean, std = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    for at, (count, begin, end) in enumerate(zip(counts, edges, ends, strict=True)):
        if count:
            lowest = min(place[begin:end], default=0)
            exact = [0, 0]
            for row in range(begin, end):
                exact[power[row] - 1] += total[row] << (BITS * (place[row] - lowest))
            mean[at], std[at] = _mean_and_std(count, exact[0], exact[1], BITS * lowest)
    known = sums["values"] > 0
    return {
        "values": sums["values"],
        "mean": mean,
        "std": std,
        "min": np.where(known, sums["min"], np.nan),
        "max": np.where(known, sums["max"], np.nan),
    }


def measure_contacts(sums: Rows, start: Sequence[int], voxel_size_nm: Sequence[float] | None) -> Rows:
    """Return the measures of contacts.

    Parameters
    ----------
    sums : mapping of str to array
        Sums of contacts, one row a pair.
    start, voxel_size_nm : (z, y, x)
        As in `measure_regions`.

    Returns
    -------
    mapping of str to array
        The columns `CONTACTS`. The centroid weighs faces by their areas, or alike if the voxel size is unknown.
    """
    size = np.full(3, np.nan) if voxel_size_nm is None else np.asarray(voxel_size_nm, np.float64)
    faces = [sums[f"faces_{axis}"] for axis in AXES]
    areas = _areas(size)
    weights = np.ones(3) if voxel_size_nm is None else areas / areas.max()
    total = sum(count * weight for count, weight in zip(faces, weights, strict=True))
    centroid = []
    for axis in AXES:
        weighed = np.zeros(len(sums["a"]))
        for across, weight in zip(AXES, weights, strict=True):
            twice = join([sums[name] for name in POSITION_LIMBS[f"{across}_{axis}"]])
            weighed += twice.astype(np.float64) / 2 * weight
        centroid.append(weighed / total)
    table: Rows = {"a": sums["a"], "b": sums["b"]}
    table |= {f"faces_{axis}": count for axis, count in zip(AXES, faces, strict=True)}
    table["area_nm2"] = sum(count * area for count, area in zip(faces, areas, strict=True))
    return table | _positions(centroid, np.asarray(start, np.float64), size)


def _areas(size: Floats) -> Floats:
    """Return the areas of the faces of a voxel across z, y and x."""
    return np.array([size[1] * size[2], size[0] * size[2], size[0] * size[1]])


def _positions(indices: Sequence[Floats], start: Floats, size: Floats) -> Rows:
    """Return positions from the corner of voxel 0, in voxels and in nm."""
    voxels = {axis: first + at for axis, at, first in zip(AXES, indices, start, strict=True)}
    return voxels | {f"{axis}_nm": voxels[axis] * edge for axis, edge in zip(AXES, size, strict=True)}


def _quotient(total: NDArray[Any], count: NDArray[np.int64]) -> Floats:
    """Return whole numbers divided by others, without the error of large ones."""
    whole = total // count
    rest = (total - whole * count).astype(np.float64)
    return whole.astype(np.float64) + rest / count


def _covariances(sums: Rows, first: Sequence[NDArray[Any]]) -> Floats:
    """Return the covariance matrices of indices, (n, 3, 3), of the exact sums."""
    voxels = sums["voxels"]
    corners = [sums[f"start_{axis}"] for axis in AXES]
    extents = [sums[f"stop_{axis}"] - corner for axis, corner in zip(AXES, corners, strict=True)]
    result = np.zeros((len(voxels), 3, 3))
    for pair, names in PRODUCT_LIMBS.items():
        a, b = (AXES.index(axis) for axis in pair)
        products = join([sums[name] for name in names])
        small = voxels.astype(np.float64) ** 2 * extents[a] * extents[b] < 1 << 60
        for rows, exact in ((small, products.dtype), (~small, object)):
            n, i, j = (column[rows].astype(exact) for column in (voxels, corners[a], corners[b]))
            at, bt, product = (column[rows].astype(exact) for column in (first[a], first[b], products))
            around = product - i * bt - j * at + n * i * j
            spread = n * around - (at - n * i) * (bt - n * j)
            squared = n.astype(np.float64) ** 2
            result[rows, a, b] = result[rows, b, a] = spread.astype(np.float64) / squared
    return result


def _principal_axes(covariances: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Return the lengths of the principal axes, longest first, and their directions as columns.

    A voxel is a box, not a point, so its own spread is added. The lengths are the full axes of the ellipsoid with the
    same second moments: twice the square root of five times the variance along each.
    """
    if np.isnan(size).any():
        return np.full((len(covariances), 3), np.nan), np.full((len(covariances), 3, 3), np.nan)
    values, vectors = np.linalg.eigh(covariances * np.outer(size, size) + np.diag(size**2 / 12))
    values, vectors = values[:, ::-1], vectors[:, :, ::-1]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return 2 * np.sqrt(5 * np.maximum(values, 0)), vectors * np.where(largest < 0, -1.0, 1.0)


def _mean_and_std(count: int, total: int, squares: int, exponent: int) -> tuple[float, float]:
    """Return mean and standard deviation of values whose sum, and that of whose squares, count ``2**exponent``."""
    if exponent > 0:
        total, squares, exponent = total << exponent, squares << exponent, 0
    spread = count * (squares << -exponent) - total * total
    guard = 64
    root = math.isqrt(spread << (2 * guard))
    return total / (count << -exponent), root / (count << (guard - exponent))
