"""Blockwise region adjacency graph of fragments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.em.kernels import pairs

BINS = 8
"""Number of bins of the histogram of an edge."""
WIDTH = 256 // BINS
"""Number of affinity values per bin."""


class Edges(NamedTuple):
    """Edges between fragments, sorted and distinct.

    Attributes
    ----------
    ids : (n, 2) uint64
        Pairs of fragments, with the smaller id first.
    values : (n, 2) or (n, 2 + BINS) int64
        Sum of the affinities (0-255) of the voxel pairs between them, and the number of these pairs; then,
        optionally, their histogram in `BINS` equal bins.
    """

    ids: NDArray[np.uint64]
    values: NDArray[np.int64]


class Nodes(NamedTuple):
    """Fragments, sorted and distinct.

    Attributes
    ----------
    ids : (n,) uint64
        Fragments.
    values : (n, 5) int64
        Number of voxels, sums of their coordinates z, y, x relative to the domain, and number of voxels at the
        border of the segmented box or beside background.
    """

    ids: NDArray[np.uint64]
    values: NDArray[np.int64]


def edge_rows(
    fragments: NDArray[np.uint64],
    affinities: NDArray[np.uint8],
    offsets: Sequence[tuple[int, int, int]],
    shape: tuple[int, int, int],
    *,
    histogram: bool = False,
    weights: Sequence[int] | None = None,
) -> Edges:
    """Return the edges of a block; a voxel pair (p, p + offset) belongs to the block of p.

    Parameters
    ----------
    fragments : (z, y, x) uint64
        Final fragments over the write box of the block, grown on its high side by the largest offset and clipped to
        the segmented box; 0 is background, without edges.
    affinities : (c, z, y, x) uint8
        Channel k at p is the affinity of p and ``p + offsets[k]``; at least over the write box.
    offsets : sequence of (z, y, x)
        Offset of each channel, not negative.
    shape : (z, y, x)
        Shape of the write box, where both arrays start.
    histogram : bool
        Whether to compute histograms, which only agglomeration by quantile needs.
    weights : sequence of int, optional
        How much a voxel pair of each channel counts; 1 if None.

    Returns
    -------
    Edges
        Edges to add to those of other blocks by `fold_edges`.

    Raises
    ------
    InvalidInput
        If an offset is negative, or the arrays do not match `shape` and `offsets`.
    """
    steps = np.array(offsets, dtype=np.int64).reshape(-1, 3)
    if (steps < 0).any() or len(steps) != len(affinities):
        raise InvalidInput(
            f"{len(affinities)} affinity channels need as many offsets of at least 0, not {list(offsets)}"
        )
    for name, actual in (("fragments", fragments.shape), ("affinities", affinities.shape[1:])):
        if len(actual) != 3 or any(a < b for a, b in zip(actual, shape, strict=True)):
            raise InvalidInput(f"{name} have shape {actual}, smaller than the write box, {shape}")
    columns = 2 + BINS * histogram
    counted = np.array([1] * len(steps) if weights is None else weights, dtype=np.int64)
    fragments, affinities = np.ascontiguousarray(fragments), np.ascontiguousarray(affinities)
    rows = _edges(fragments, affinities, steps, counted, np.array(shape, dtype=np.int64), columns)
    return Edges(*_sort_rows(*rows))


def node_rows(
    fragments: NDArray[np.uint64], write: Box, domain: Box, box: Box | None = None, *, read: Box | None = None
) -> Nodes:
    """Return size and position of the fragments in a block.

    Parameters
    ----------
    fragments : (z, y, x) uint64
        Final fragments over `read`; 0 is background.
    write : Box
        Write box of the block.
    domain : Box
        Domain of the volume.
    box : Box, optional
        Box to segment; the domain if None.
    read : Box, optional
        Box of `fragments`, `write` if None. Only with the voxels of `box` that touch `write` are fragments at
        background across the face of a block known to be at the border.

    Returns
    -------
    Nodes
        Nodes to add to those of other blocks by `fold_nodes`.
    """
    fragments = np.ascontiguousarray(fragments)
    first = np.array(write.start, np.int64) - np.array((read or write).start, np.int64)
    bounds = _bounds(write, domain, domain if box is None else box)
    ids, values = _sort_rows(*_nodes(fragments, first, np.array(write.shape, np.int64), *bounds))
    return Nodes(ids[:, 0], values)


def fold_edges(rows: Sequence[Edges]) -> Edges:
    """Add up the edges of several blocks; the order of the blocks does not matter."""
    if not rows:
        return Edges(np.empty((0, 2), np.uint64), np.empty((0, 2), np.int64))
    return Edges(*_fold_rows(np.concatenate([r.ids for r in rows]), np.concatenate([r.values for r in rows])))


def fold_nodes(rows: Sequence[Nodes]) -> Nodes:
    """Add up the nodes of several blocks; the order of the blocks does not matter."""
    ids = np.concatenate([np.empty(0, np.uint64), *(r.ids for r in rows)])
    values = np.concatenate([np.empty((0, 5), np.int64), *(r.values for r in rows)])
    pair, values = _fold_rows(np.stack([ids, np.zeros_like(ids)], axis=1), values)
    return Nodes(pair[:, 0], values)


def _bounds(write: Box, domain: Box, box: Box) -> tuple[NDArray[np.int64], ...]:
    """Return the start of the write box, and the first and last index of the segmented box, in the domain."""
    points = np.array([write.start, box.start, box.stop], dtype=np.int64) - domain.start
    return points[0], points[1], points[2] - 1


def _sort_rows(ids: NDArray[np.uint64], values: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    return ids[order], values[order]


def _fold_rows(ids: NDArray[np.uint64], values: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Sort rows by their pair of ids, and add up those with the same pair."""
    ids, values = _sort_rows(ids, values)
    if not len(ids):
        return ids, values
    first = np.flatnonzero(np.concatenate([[True], (ids[1:] != ids[:-1]).any(axis=1)]))
    return ids[first], np.add.reduceat(values, first, axis=0)


@numba.njit(cache=True, nogil=True)
def _edges(
    fragments: NDArray[np.uint64],
    affinities: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    weights: NDArray[np.int64],
    shape: NDArray[np.int64],
    columns: int,
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    n, row = 0, -1
    slots, ids, values = pairs.empty(1024, columns)
    for k in range(len(offsets)):
        dz, dy, dx = offsets[k]
        weight = weights[k]
        for z in range(min(shape[0], fragments.shape[0] - dz)):
            for y in range(min(shape[1], fragments.shape[1] - dy)):
                for x in range(min(shape[2], fragments.shape[2] - dx)):
                    a, b = fragments[z, y, x], fragments[z + dz, y + dy, x + dx]
                    if a == b or a == 0 or b == 0:
                        continue
                    low, high = min(a, b), max(a, b)
                    if row < 0 or ids[row, 0] != low or ids[row, 1] != high:
                        row, n, slots, ids, values = pairs.row_of(slots, ids, values, n, low, high)
                    affinity = affinities[k, z, y, x]
                    values[row, 0] += weight * affinity
                    values[row, 1] += weight
                    if columns > 2:
                        values[row, 2 + affinity // WIDTH] += weight
    return ids[:n], values[:n]


@numba.njit(cache=True, nogil=True)
def _nodes(
    fragments: NDArray[np.uint64],
    first: NDArray[np.int64],
    shape: NDArray[np.int64],
    start: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    n, row, none = 0, -1, np.uint64(0)
    slots, ids, values = pairs.empty(1024, 5)
    for z in range(first[0], first[0] + shape[0]):
        for y in range(first[1], first[1] + shape[1]):
            for x in range(first[2], first[2] + shape[2]):
                a = fragments[z, y, x]
                if a == 0:
                    continue
                if row < 0 or ids[row, 0] != a:
                    row, n, slots, ids, values = pairs.row_of(slots, ids, values, n, a, none)
                values[row, 0] += 1
                rim = _beside_background(fragments, z, y, x)
                for axis, i in enumerate((z, y, x)):
                    at = i - first[axis] + start[axis]
                    values[row, 1 + axis] += at
                    rim |= at == low[axis] or at == high[axis]
                values[row, 4] += rim
    return ids[:n], values[:n]


@numba.njit(cache=True, nogil=True)
def _beside_background(fragments: NDArray[np.uint64], z: int, y: int, x: int) -> bool:
    high, wide, deep = fragments.shape
    return bool(
        (z > 0 and fragments[z - 1, y, x] == 0)
        or (y > 0 and fragments[z, y - 1, x] == 0)
        or (x > 0 and fragments[z, y, x - 1] == 0)
        or (z + 1 < high and fragments[z + 1, y, x] == 0)
        or (y + 1 < wide and fragments[z, y + 1, x] == 0)
        or (x + 1 < deep and fragments[z, y, x + 1] == 0)
    )
