"""The mapping from supervoxels to segments at one version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.sorted_table import SortedTable, insert_rows, set_segments


@dataclass(frozen=True, eq=False)
class Supervoxels:
    """Supervoxels of the volume at the start.

    Attributes
    ----------
    ids : (n,) array of uint64
        Sorted.
    segments : (n,) array of uint64, or None
        Segment of each; None: that of the same id.
    """

    ids: NDArray[np.uint64]
    segments: NDArray[np.uint64] | None = None

    def segment_of(self, supervoxel: int) -> int:
        """Return the segment of a supervoxel at the start; 0 if it does not exist."""
        at = int(np.searchsorted(self.ids, np.uint64(supervoxel)))
        if at == len(self.ids) or self.ids[at] != supervoxel:
            return 0
        return supervoxel if self.segments is None else int(self.segments[at])

    def members(self, segment: int) -> set[int]:
        """Return the supervoxels of a segment at the start."""
        if self.segments is None:
            return {segment} if self.segment_of(segment) else set()
        order, sorted_segments = self._by_segment
        first, last = (np.searchsorted(sorted_segments, np.uint64(segment), side) for side in ("left", "right"))
        return set(self.ids[order[first:last]].tolist())

    @cached_property
    def _by_segment(self) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
        if self.segments is None:
            raise AssertionError("only of a mapping that is not the identity")
        order = np.argsort(self.segments, kind="stable")
        return order, self.segments[order]


class StoredIds:
    """Tree of the ids in the voxels: which id a split has divided into which.

    An id without a supervoxel of its own in a mapping is part of the supervoxel of its parent; so a split on one
    branch changes nothing on the others.
    """

    def __init__(self) -> None:
        self.parents: dict[int, int] = {}
        self._children: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, id: int, parent: int) -> None:
        """Record that `id` was divided off `parent`."""
        if id not in self.parents:
            self.parents[id] = parent
            self._children[parent].append(id)

    def children(self, id: int) -> list[int]:
        """Return the ids that were divided off `id`."""
        return self._children.get(id, [])


class Mapping:
    """Segments of supervoxels, and supervoxels of the ids in the voxels.

    Parameters
    ----------
    start : Supervoxels
        The mapping at the start.
    tree : StoredIds
        Ids in the voxels, of all versions.
    """

    def __init__(self, start: Supervoxels, tree: StoredIds) -> None:
        self._start, self._tree = start, tree
        self._segments: dict[int, int] = {}
        self._members: dict[int, set[int]] = {}
        self._supervoxels: dict[int, int] = {}
        self._parts: defaultdict[int, set[int]] = defaultdict(set)

    def apply(self, changes: Changes) -> None:
        """Apply the changes of an operation."""
        for supervoxel, before, after in changes.moves.tolist():
            if before:
                self._own_members(before).discard(supervoxel)
            if after:
                self._own_members(after).add(supervoxel)
            self._segments[supervoxel] = after
        for id, before, after in changes.stored.tolist():
            if before:
                self._parts[before].discard(id)
                del self._supervoxels[id]
            if after:
                self._parts[after].add(id)
                self._supervoxels[id] = after

    def segment_of(self, supervoxel: int) -> int:
        """Return the segment of a supervoxel; 0 if it does not exist."""
        segment = self._segments.get(supervoxel)
        return self._start.segment_of(supervoxel) if segment is None else segment

    def supervoxels(self, segment: int) -> set[int]:
        """Return the supervoxels of a segment; empty if it does not exist. Not to be changed."""
        members = self._members.get(segment)
        return self._start.members(segment) if members is None else members

    def supervoxel_of(self, id: int) -> int:
        """Return the supervoxel of an id in the voxels."""
        while (supervoxel := self._supervoxels.get(id)) is None and id in self._tree.parents:
            id = self._tree.parents[id]
        return id if supervoxel is None else supervoxel

    def own_supervoxel_of(self, id: int) -> int:
        """Return the supervoxel of an id in the voxels; 0 if it has none of its own, but that of its parent."""
        return self._supervoxels.get(id, 0)

    def stored_ids(self, supervoxel: int) -> set[int]:
        """Return the ids in the voxels that make up a supervoxel."""
        waiting = list(self._parts.get(supervoxel, ()))
        if supervoxel not in self._supervoxels and self._start.segment_of(supervoxel):
            waiting.append(supervoxel)
        ids = set(waiting)
        while waiting:
            parts = [id for id in self._tree.children(waiting.pop()) if id not in self._supervoxels]
            waiting += parts
            ids.update(parts)
        return ids

    def stored_segments(self, changes: Changes) -> Iterable[tuple[int, int]]:
        """Yield the ids in the voxels that changes concern, and their segments now."""
        supervoxels = {*changes.moves[:, 0].tolist(), *changes.stored[:, 1:].ravel().tolist()} - {0}
        for supervoxel in supervoxels:
            segment = self.segment_of(supervoxel)
            for id in self.stored_ids(supervoxel):
                yield id, segment

    def table(self) -> SortedTable:
        """Return supervoxels, sorted, and their segments, of all that exist."""
        rows = np.array(list(self._segments.items()), np.uint64).reshape(-1, 2)
        start = self._start.ids if self._start.segments is None else self._start.segments
        table = self._start.ids, start.copy()
        ids, segments = insert_rows(table, set_segments(table, rows))
        exists = segments != 0
        return ids[exists], segments[exists]

    def _own_members(self, segment: int) -> set[int]:
        members = self._members.get(segment)
        if members is None:
            members = self._members[segment] = self._start.members(segment)
        return members
