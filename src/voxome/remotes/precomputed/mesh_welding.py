"""Joining of the fragments of a mesh at the borders of their nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fragment = tuple[NDArray[Any], NDArray[Any], NDArray[np.uint32]]
"""Position of the node (3,), points in it (n, 3) from 0 to the number of steps, and faces (m, 3)."""


def weld(fragments: Sequence[Fragment], steps: int) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """Join the fragments of a level of detail; a vertex on the border of nodes is one in all of them.

    Vertices inside a node, and several of one fragment at the same place, stay apart: a surface that touches itself
    stays as it is.

    Parameters
    ----------
    fragments : sequence of (position, points, faces)
        At least one.
    steps : int
        Lattice steps along the edge of a node.

    Returns
    -------
    points : (n, 3) array of float64
        In nodes, from the corner of the grid.
    faces : (m, 3) array of uint32
        Rows of three points.
    """
    lattice = np.concatenate([points + steps * position.astype(np.float64) for position, points, _ in fragments])
    if len(fragments) == 1:
        return lattice / steps, fragments[0][2]
    counts = [len(points) for _, points, _ in fragments]
    border = np.flatnonzero(np.concatenate([_on_border(points, steps) for _, points, _ in fragments]))
    part = np.repeat(np.arange(len(fragments)), counts)[border]
    order, starts = _runs(np.column_stack([lattice[border], _occurrences(lattice[border], part)]))
    first = np.arange(len(lattice))
    first[border[order]] = np.repeat(border[order[starts]], np.diff(np.r_[starts, len(order)]))
    kept = first == np.arange(len(first))
    rows = (np.cumsum(kept) - 1).astype(np.uint32)[first]
    offsets = np.cumsum(counts[:-1])
    faces = [one[faces] for one, (_, _, faces) in zip(np.split(rows, offsets), fragments, strict=True)]
    return lattice[kept] / steps, np.concatenate(faces)


def _on_border(points: NDArray[Any], steps: int) -> NDArray[np.bool_]:
    x, y, z = points.T
    return (x == 0) | (x == steps) | (y == 0) | (y == steps) | (z == 0) | (z == steps)


def _occurrences(points: NDArray[np.float64], part: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many points at the same place come before each in its fragment."""
    order, starts = _runs(np.column_stack([points, part]))
    found = np.empty(len(points), np.int64)
    found[order] = np.arange(len(points)) - np.repeat(starts, np.diff(np.r_[starts, len(points)]))
    return found


def _runs(rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a stable order in which equal rows follow each other, and where each run of them starts in it."""
    order = np.lexsort(rows.T)
    ordered = rows[order]
    return order, np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)][: len(rows)])
