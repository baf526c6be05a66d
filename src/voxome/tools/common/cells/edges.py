"""Where the cells of a box begin and end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box

Edges = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Along each axis the offsets, from the start of a box, at which cells begin, and at last where the last one ends."""

Sizes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Along each axis, the voxels that each cell spans: their product is the number of voxels of a cell."""
SIZES = ("voxels_z", "voxels_y", "voxels_x")
"""Names of the sizes among stored arrays."""


def cell_edges(box: Box, factors: Sequence[int]) -> Edges:
    """Return the edges of the cells that start at multiples of `factors`, cut off at the faces of `box`.

    Parameters
    ----------
    box : Box
        Box along z, y, x.
    factors : (z, y, x) of int
        Edge lengths of a cell.

    Examples
    --------
    >>> [edges.tolist() for edges in cell_edges(Box((3, 0, 0), (8, 1, 4)), (2, 2, 4))]
    [[0, 1, 3, 5], [0, 1], [0, 4]]
    """
    z, y, x = (_edges(a, b, f) for a, b, f in zip(box.start, box.stop, factors, strict=True))
    return z, y, x


def _edges(start: int, stop: int, factor: int) -> NDArray[np.int64]:
    cells = np.arange(start // factor, -(-stop // factor) + 1, dtype=np.int64)
    return np.clip(cells * factor - start, 0, stop - start)


def shape_of(edges: Edges) -> tuple[int, int, int]:
    """Return the number of cells along each axis."""
    z, y, x = (len(one) - 1 for one in edges)
    return z, y, x


def sizes_of(edges: Edges) -> Sizes:
    """Return the sizes of cells of voxels."""
    z, y, x = (np.diff(one) for one in edges)
    return z, y, x


def add_sizes(sizes: Sizes, edges: Edges) -> Sizes:
    """Return the sizes of cells of cells."""
    z, y, x = (np.add.reduceat(one, ends[:-1]) for one, ends in zip(sizes, edges, strict=True))
    return z, y, x


def paste_sizes(box: Box, parts: Iterable[tuple[Box, Sizes]]) -> Sizes:
    """Return the sizes of the cells of `box`, which boxes cover together."""
    pasted = [np.empty(n, np.int64) for n in box.shape]
    for other, sizes in parts:
        overlap = box & other
        pairs = zip(pasted, sizes, overlap.within(box), overlap.within(other), strict=True)
        for axis, own, to, start in pairs:
            axis[to] = own[start]
    z, y, x = pasted
    return z, y, x


def paste(box: Box, parts: Iterable[tuple[Box, NDArray[Any]]]) -> NDArray[Any]:
    """Return the array of `box` that arrays of other boxes cover together; what lies outside of it is left out."""
    pasted: NDArray[Any] | None = None
    for other, values in parts:
        if pasted is None:
            pasted = np.empty(box.shape, values.dtype)
        overlap = box & other
        pasted[overlap.within(box)] = values[overlap.within(other)]
    assert pasted is not None, "a box is covered"
    return pasted
