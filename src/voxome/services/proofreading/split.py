"""Plans of splits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.errors import EditConflict, InvalidInput, UnknownName
from voxome.geometry import Box
from voxome.services.proofreading.arguments import require_apart, require_inside
from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.editor import Edit, NewIds
from voxome.services.proofreading.graph_cut import CannotCut, Edges, cut_graph
from voxome.services.proofreading.mapping import Mapping
from voxome.services.proofreading.state import State
from voxome.services.proofreading.store import ProofreadingStore
from voxome.services.proofreading.tables import STORED_IDS
from voxome.services.proofreading.voxel_split import VoxelSplit, read_region, root_of, split_voxels
from voxome.services.proofreading.voxels import StoredVoxels
from voxome.services.proofreading.watershed import A, B

Way = Literal["graph", "voxels"]
"""Where a split cuts: between supervoxels, or through them."""
EdgeRow = tuple[int, int, float]


@dataclass(frozen=True, eq=False)
class SplitPlan:
    """What a split does.

    Attributes
    ----------
    segment : int
        Segment, which keeps side a.
    way : {"graph", "voxels"}
        How it is cut.
    kept, moved : (n,) array of uint64
        Supervoxels on side a and on side b as a whole, sorted.
    divided : (n,) array of uint64
        Supervoxels that the cut divides, sorted.
    """

    segment: int
    way: Way
    kept: NDArray[np.uint64]
    moved: NDArray[np.uint64]
    divided: NDArray[np.uint64]
    voxels: VoxelSplit | None = field(default=None, repr=False)
    edges: list[EdgeRow] = field(default_factory=list, repr=False)

    def prepare(self, mapping: Mapping, new_ids: NewIds) -> Edit:
        """Return the edit, if the supervoxels are still as they were.

        Raises
        ------
        EditConflict
            If the segment has other supervoxels by now, or one that is divided was divided on another branch.
        """
        if mapping.supervoxels(self.segment) != set(np.concatenate([self.kept, self.moved, self.divided]).tolist()):
            raise EditConflict(
                f"segment {self.segment} has changed while its split was computed; nothing has changed now: look at it "
                "again after refresh(), and repeat the split"
            )
        parents = [] if self.voxels is None else self.voxels.parents
        new_segment, *ids = new_ids(1 + 2 * len(self.divided) + len(parents))
        moves = [(one, self.segment, new_segment) for one in self.moved.tolist()]
        segments = [self.segment, new_segment]
        if self.voxels is None or not len(self.divided):
            return Edit(Changes.of(moves), segments)
        return self._divide(self.voxels, mapping, moves, segments, ids)

    def _divide(
        self,
        split: VoxelSplit,
        mapping: Mapping,
        moves: list[tuple[int, int, int]],
        segments: list[int],
        ids: list[int],
    ) -> Edit:
        count = len(self.divided)
        rests, parts, stored_ids = ids[:count], ids[count : 2 * count], ids[2 * count :]
        new_ids = dict(zip(split.parents, stored_ids, strict=True))
        stored: list[tuple[int, int, int]] = []
        sides: dict[tuple[int, int], int] = {}
        for supervoxel, rest, part in zip(self.divided.tolist(), rests, parts, strict=True):
            if mapping.stored_ids(supervoxel) != split.divided[supervoxel]:
                raise EditConflict(
                    f"supervoxel {supervoxel} has been divided on another branch meanwhile; repeat the split"
                )
            moves += [(supervoxel, self.segment, 0), (rest, 0, self.segment), (part, 0, segments[1])]
            sides |= {(supervoxel, A): rest, (supervoxel, B): part}
            for id in sorted(split.divided[supervoxel]):
                stored.append((id, mapping.own_supervoxel_of(id), part if id in split.whole else rest))
                if id in new_ids:
                    stored.append((new_ids[id], 0, part))

        def write(connection: sa.Connection, operation: int) -> None:
            rows = [{"id": id, "parent": parent, "operation": operation} for parent, id in new_ids.items()]
            if rows:
                connection.execute(STORED_IDS.insert(), rows)
            for chunk in split.chunks:
                chunk.write(connection, operation, stored_ids)

        edges = _divided_edges(self.edges, split.contacts, sides)
        details: dict[str, Any] = {"divided": self.divided.tolist(), "edges": edges}
        return Edit(Changes.of(moves, stored), segments, details, write)


def _divided_edges(
    edges: Iterable[EdgeRow], contacts: set[tuple[int, int, int, int]], sides: dict[tuple[int, int], int]
) -> list[EdgeRow]:
    """Return the edges of the parts of divided supervoxels: those of the whole, where a part touches the other end.

    What touches no part in the region that was looked at is joined to the part of side a.
    """
    rows = []
    divided = {supervoxel for supervoxel, _ in sides}
    strongest = dict.fromkeys(divided, 0.0)
    for one, other, affinity in edges:
        ends = [[(end, A), (end, B)] if end in divided else [(end, 0)] for end in (one, other)]
        pairs = [(first, second) for first in ends[0] for second in ends[1]]
        touching = [pair for pair in pairs if _touch(contacts, *pair)] or pairs[:1]
        rows += [(sides.get(first, one), sides.get(second, other), affinity) for first, second in touching]
        strongest |= {end: max(strongest[end], affinity) for end in (one, other) if end in divided}
    return rows + [(sides[one, A], sides[one, B], strongest[one] or 1.0) for one in sorted(divided)]


def _touch(contacts: set[tuple[int, int, int, int]], first: tuple[int, int], second: tuple[int, int]) -> bool:
    sides = [[side] if side else [A, B] for _, side in (first, second)]
    return any((first[0], one, second[0], other) in contacts for one in sides[0] for other in sides[1])


def plan_split(
    store: ProofreadingStore,
    connection: sa.Connection,
    state: State,
    segment: int,
    points_a: NDArray[np.int64],
    points_b: NDArray[np.int64],
    way: Way | None,
    box: Box | None,
) -> SplitPlan:
    """Plan the split of a segment; see `Session.split`."""
    if way is None:
        way = "voxels" if store.edges is None else "graph"
    if way not in get_args(Way):
        raise UnknownName.of("way", way, get_args(Way))
    mapping, voxels = state.mapping, StoredVoxels(store.source)
    seeds = [
        [_supervoxel_at(voxels, connection, mapping, segment, point) for point in points.tolist()]
        for points in (points_a, points_b)
    ]
    require_apart(points_a, points_b)
    members = np.array(sorted(mapping.supervoxels(segment)), np.uint64)
    edges = _edges_at(store, state, members)
    try:
        if way == "graph":
            if edges is None:
                raise CannotCut("the store has no edges; give them as edges= when it is made, or use way='voxels'")
            is_b = cut_graph(members, edges, *seeds)
            return SplitPlan(segment, way, members[~is_b], members[is_b], np.empty(0, np.uint64))
        if box is not None:
            require_inside(box, points_a, points_b)
        stored = {id for one in members.tolist() for id in mapping.stored_ids(one)}
        chunks = store.chunks_of({root_of(state.tree, id) for id in stored})
        region = read_region(voxels, connection, chunks, stored, box)
        split = split_voxels(store.source, connection, region, mapping, points_a, points_b, contacts=edges is not None)
    except CannotCut as error:
        raise InvalidInput(f"cannot split segment {segment}: {error}; nothing has changed") from error
    moved, divided = (np.array(sorted(one), np.uint64) for one in (split.moved, split.divided))
    kept = members[~np.isin(members, np.concatenate([moved, divided]))]
    rows = [] if edges is None else _rows_with(edges, divided)
    return SplitPlan(segment, way, kept, moved, divided, split, rows)


def _edges_at(store: ProofreadingStore, state: State, members: NDArray[np.uint64]) -> Edges | None:
    """Return the edges between the supervoxels of a segment now: those at the start, and those of divided ones."""
    if store.edges is None:
        return None
    start = store.edges.among(members)
    rows = [
        row
        for one in state.log.entries
        if one.action == "split" and state.log.status(one) == "done"
        for row in one.details.get("edges", ())
    ]
    if not rows:
        return start
    ends = np.array([[one, other] for one, other, _ in rows], np.uint64)
    added = Edges(ends, np.array([affinity for _, _, affinity in rows], np.float64)).among(members)
    return Edges(np.concatenate([start.ends, added.ends]), np.concatenate([start.affinities, added.affinities]))


def _rows_with(edges: Edges, supervoxels: NDArray[np.uint64]) -> list[EdgeRow]:
    touching = np.isin(edges.ends, supervoxels).any(axis=1)
    pairs = edges.ends[touching].tolist()
    return [
        (one, other, weight) for (one, other), weight in zip(pairs, edges.affinities[touching].tolist(), strict=True)
    ]


def _supervoxel_at(
    voxels: StoredVoxels, connection: sa.Connection, mapping: Mapping, segment: int, point: list[int]
) -> int:
    id = int(voxels.read(Box.of_shape((1, 1, 1), point), connection)[0, 0, 0])
    supervoxel = mapping.supervoxel_of(id) if id else 0
    actual = mapping.segment_of(supervoxel) if supervoxel else 0
    if actual != segment:
        where = f"in segment {actual}" if actual else "in the background"
        raise InvalidInput(f"point {tuple(point)} is {where}, not in segment {segment}")
    return supervoxel
