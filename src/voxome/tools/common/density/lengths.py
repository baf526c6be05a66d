"""Lengths of lines in the cells of a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clip_lines(
    start: NDArray[np.float64], stop: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Divide straight pieces of lines at the faces of the cells of a grid.

    Parameters
    ----------
    start, stop : (n, 3) float64
        Ends of the pieces, in cells: cell i is from i up to i + 1.
    edges : (3,) float64
        Edges of a cell, in any unit of length.

    Returns
    -------
    pair of (m, 3) int64 and (m,) float64
        Cell and length of every part, in the order of the pieces and along them; the lengths of a piece add up to its
        length.
    """
    length = np.linalg.norm((stop - start) * edges, axis=1)
    piece = np.arange(len(start))
    pieces, cuts = [piece, piece], [np.zeros(len(start)), np.ones(len(start))]
    for axis in range(3):
        of, at = _crossings(start[:, axis], stop[:, axis])
        pieces.append(of)
        cuts.append(at)
    of, at = np.concatenate(pieces), np.concatenate(cuts)
    order = np.lexsort((at, of))
    of, at = of[order], at[order]
    same = of[1:] == of[:-1]
    of, first, last = of[1:][same], at[:-1][same], at[1:][same]
    middle = start[of] + ((first + last) / 2)[:, None] * (stop - start)[of]
    some = (last > first) & (length[of] > 0)
    return np.floor(middle[some]).astype(np.int64), ((last - first) * length[of])[some]


def _crossings(start: NDArray[np.float64], stop: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return where the pieces cross whole numbers along one axis: which piece, and how far along it (0 to 1)."""
    low, high = np.minimum(start, stop), np.maximum(start, stop)
    first = np.floor(low).astype(np.int64) + 1
    count = np.maximum(np.ceil(high).astype(np.int64) - first, 0)
    of = np.repeat(np.arange(len(start)), count)
    number = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    at = (first[of] + number - start[of]) / (stop - start)[of]
    return of, np.clip(at, 0, 1)
