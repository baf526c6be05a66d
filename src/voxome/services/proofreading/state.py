"""State of a branch, or of one of its versions, which follows the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.mapping import Mapping, StoredIds, Supervoxels
from voxome.services.proofreading.operations import Operation, OperationLog
from voxome.services.proofreading.tables import OPERATIONS, STORE, STORED_IDS

Lineage = tuple[tuple[str, int | None], ...]
"""Branches whose operations make a state, each up to a version (None: all)."""


@dataclass(frozen=True)
class News:
    """What has changed since a state last followed the database.

    Attributes
    ----------
    operations : sequence of Operation
        New operations of its branch.
    stored_ids : sequence of int
        Ids that splits of any branch have written into voxels.
    """

    operations: Sequence[Operation]
    stored_ids: Sequence[int]


class State:
    """The mapping and the operations of a branch, or of one of its versions.

    Parameters
    ----------
    start : Supervoxels
        The mapping at the start.
    lineage : tuple of (str, int or None)
        Branches whose operations it has, and up to which.

    Attributes
    ----------
    known : int
        Last operation of any branch that it has taken note of.
    """

    def __init__(self, start: Supervoxels, lineage: Lineage) -> None:
        self.tree = StoredIds()
        self.mapping, self.log = Mapping(start, self.tree), OperationLog()
        self._lineage, self.known = lineage, 0

    @property
    def version(self) -> int:
        """Number of the last operation; 0 at the start."""
        return self.log.entries[-1].number if self.log.entries else 0

    def follow(self, connection: sa.Connection) -> News:
        """Apply what has happened since the last call."""
        last = connection.execute(_LAST).scalar_one()
        if last <= self.known:  # a connection may see an earlier state than that of another thread
            return News((), ())
        query = sa.select(STORED_IDS.c.id, STORED_IDS.c.parent).where(STORED_IDS.c.operation > self.known)
        splits = connection.execute(query.order_by(STORED_IDS.c.operation)).all()
        for id, parent in splits:
            self.tree.add(id, parent)
        operations = [read_operation(row) for row in connection.execute(self._query()).mappings()]
        for operation in operations:
            self.mapping.apply(operation.changes)
            self.log.append(operation)
        self.known = last
        return News(operations, [id for id, _ in splits])

    def append(self, operation: Operation) -> None:
        """Apply an operation that this process has just written; `follow` applies it where it wrote ids into voxels."""
        if operation.number == self.known + 1 and not len(operation.changes.stored):
            self.mapping.apply(operation.changes)
            self.log.append(operation)
            self.known = operation.number

    def concerned(self, edit: Operation) -> frozenset[int]:
        """Return the segments that change if an edit is undone or redone; of a name the one that has it."""
        named = edit.details.get("stored_id")
        if named is None:
            return edit.changes.segments
        return frozenset([self.mapping.segment_of(self.mapping.supervoxel_of(named))])

    def _query(self) -> sa.Select[tuple[object, ...]]:
        branches = [
            OPERATIONS.c.branch == branch
            if last is None
            else sa.and_(OPERATIONS.c.branch == branch, OPERATIONS.c.number <= last)
            for branch, last in self._lineage
        ]
        query = sa.select(OPERATIONS).where(OPERATIONS.c.number > self.known, sa.or_(*branches))
        return query.order_by(OPERATIONS.c.number)


def read_operation(row: sa.RowMapping) -> Operation:
    """Return the operation in a row of the table."""
    fields = {name: row[name] for name in ("number", "branch", "action", "author", "time_s", "session", "target")}
    return Operation(**fields, details=row["details"], changes=Changes.unpack(row["moves"], row["stored"]))


_LAST = sa.select(STORE.c.last_operation)
