"""Rows of different lengths, one after the other in one array."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import InvalidInput, describe_value

_SHOWN = 5
"""Lists that are displayed."""


class Ragged(Sequence[NDArray[np.uint64]]):
    """Lists of labels, kept as one array.

    Parameters
    ----------
    values : (m,) array of uint64
        All labels.
    counts : (n,) array of int64
        Number of labels of each list.

    Examples
    --------
    >>> rows = Ragged.of("segment", [[5, 7], [], [2**63]])
    >>> len(rows), rows[0].tolist(), rows.counts.tolist()
    (3, [5, 7], [2, 0, 1])
    """

    def __init__(self, values: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
        self.values, self.counts = values, counts

    @classmethod
    def of(cls, name: str, rows: Sequence[Any] | NDArray[Any]) -> Ragged:
        """Return lists of labels as one array.

        Parameters
        ----------
        name : str
            What they are, for messages.
        rows : sequence of arrays, or (n, k) array
            The labels of each annotation.

        Raises
        ------
        InvalidInput
            If one is not a list of integers from 0 to 2^64 - 1.
        """
        if isinstance(rows, Ragged):
            return rows
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            return cls(as_labels(name, rows.reshape(-1)), np.full(len(rows), rows.shape[1], np.int64))
        arrays = [as_labels(name, row) for row in rows]
        counts = np.fromiter(map(len, arrays), np.int64, len(arrays))
        return cls(np.concatenate(arrays) if arrays else np.empty(0, np.uint64), counts)

    @classmethod
    def join(cls, parts: Sequence[Ragged]) -> Ragged:
        """Concatenate parts."""
        return cls(np.concatenate([part.values for part in parts]), np.concatenate([part.counts for part in parts]))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Index of the first label of each list."""
        return np.cumsum(self.counts) - self.counts

    def __repr__(self) -> str:
        shown = ", ".join(str(row.tolist()) for row in self[:_SHOWN])
        return f"<Ragged of {len(self)}: {shown}{', …' if len(self) > _SHOWN else ''}>"

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, row: int) -> NDArray[np.uint64]: ...

    @overload
    def __getitem__(self, row: slice) -> Ragged: ...

    def __getitem__(self, row: int | slice) -> NDArray[np.uint64] | Ragged:
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        start = int(self.starts[row])
        return self.values[start : start + int(self.counts[row])]

    def take(self, rows: NDArray[np.integer[Any]]) -> Ragged:
        """Return the lists at some indices."""
        counts = self.counts[rows]
        return Ragged(self.values[ragged_indices(self.starts[rows], counts)], counts)


def ragged_indices(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices ``starts[i], …, starts[i] + counts[i] - 1`` of all rows, one after the other.

    Examples
    --------
    >>> ragged_indices(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total)


def as_labels(name: str, values: ArrayLike) -> NDArray[np.uint64]:
    """Return ids as uint64, never through floats.

    Raises
    ------
    InvalidInput
        If they are not a list of integers from 0 to 2^64 - 1.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind in "Of" and not isinstance(values, np.ndarray):  # integers above 2^63 beside smaller ones
            array = np.array([_as_id(one) for one in np.ravel(np.asarray(values, object))], np.uint64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty((), object)
    if array.ndim == 1 and not array.size:
        return np.empty(0, np.uint64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.dtype.kind == "i" and (array < 0).any()):
        raise InvalidInput(f"{name} is {describe_value(values)}; expected lists of integers from 0 to 2^64 - 1")
    return np.ascontiguousarray(array, np.uint64)


def _as_id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{value!r} is not an integer")
    return int(value)
