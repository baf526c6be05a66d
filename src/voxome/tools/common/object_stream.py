"""The objects of a group, one after the other: shapes for a store, and rows for the table of objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from voxome.contracts.kinds import Rows
from voxome.resources.rows import concatenate

S = TypeVar("S")

_BATCH = 4096
"""Rows that are collected before they are put together."""


class ObjectStream(Generic[S]):
    """The results of the objects of a group, of which memory holds one shape, and all rows.

    Parameters
    ----------
    results : iterable of (rows, id, shape)
        Of each object, made when it is taken; the shape is None for an object that gets none.
    """

    def __init__(self, results: Iterable[tuple[Rows, int, S | None]]) -> None:
        self._results = iter(results)
        self._batches: list[Rows] = []
        self._single: list[Rows] = []

    def shapes(self) -> Iterator[tuple[int, S]]:
        """Yield id and shape of each object that has one."""
        for rows, id, shape in self._results:
            self._single.append(rows)
            if len(self._single) == _BATCH:
                self._combine()
            if shape is not None:
                yield id, shape

    def rows(self) -> Iterator[Rows]:
        """Yield the rows of all objects, those too whose shapes nobody has taken."""
        for _ in self.shapes():
            pass
        self._combine()
        yield from self._batches

    def _combine(self) -> None:
        if self._single:
            self._batches.append(concatenate(self._single))
            self._single = []
