"""Operations: the entries of the history, and what may be taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as JsonObject
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Literal

import numpy as np

from voxome.errors import EditConflict, InvalidInput, NotFound
from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.mapping import Mapping

Action = Literal["merge", "cleave", "split", "name", "undo", "redo"]
"""What an operation does."""
Toggle = Literal["undo", "redo"]
"""What an operation does with another one."""


@dataclass(frozen=True)
class Operation:
    """Entry of the history.

    Attributes
    ----------
    number : int
        Position in the one order of all operations, from 1; also the version that it has made.
    branch : str
        Branch that it changed.
    action : {"merge", "cleave", "split", "name", "undo", "redo"}
        What it did.
    author, time_s, session : str, float, str
        Who, when (seconds since 1970), and in which session.
    target : int or None
        Operation that an undo or a redo concerns.
    details : mapping
        JSON values: ``segments``, the segments that it left, and what the action was called with.
    changes : Changes
        What it changed.
    """

    number: int
    branch: str
    action: Action
    author: str
    time_s: float
    session: str
    target: int | None
    details: JsonObject[str, Any]
    changes: Changes = field(repr=False)

    @property
    def version(self) -> int:
        """Version that the operation has made."""
        return self.number

    @property
    def segments(self) -> list[int]:
        """Segments that an edit left, the one that keeps its id first."""
        return list(self.details["segments"])

    @property
    def time(self) -> str:
        """Time in UTC, as ISO 8601 writes it."""
        return datetime.fromtimestamp(self.time_s, UTC).isoformat(timespec="milliseconds")

    def __str__(self) -> str:
        return f"operation {self.number} ({self.action} by {self.author}, {self.time})"


class OperationLog:
    """The operations of one branch up to a version, in order."""

    def __init__(self) -> None:
        self.entries: list[Operation] = []
        self._by_number: dict[int, Operation] = {}
        self._last_toggle: dict[int, Operation] = {}
        self._by_segment: defaultdict[int, list[Operation]] = defaultdict(list)

    def append(self, operation: Operation) -> None:
        """Append the next operation."""
        self.entries.append(operation)
        self._by_number[operation.number] = operation
        self._last_toggle[operation.target or operation.number] = operation
        for segment in operation.changes.segments:
            self._by_segment[segment].append(operation)

    def status(self, operation: Operation) -> Literal["done", "undone"]:
        """Return whether what an operation has done is still done."""
        last = self._last_toggle[operation.target or operation.number]
        is_done = last is operation if operation.target else last.action != "undo"
        return "done" if is_done else "undone"

    def has(self, number: int) -> bool:
        """Whether an operation is one of this branch."""
        return number in self._by_number

    def find(self, number: int) -> Operation:
        """Return an operation of this branch.

        Raises
        ------
        NotFound
            If there is none of this number.
        """
        operation = self._by_number.get(number)
        if operation is None:
            raise NotFound(
                f"this branch has no operation {number}; session.history() or `voxome proofread history` lists them"
            )
        return operation

    def after(self, version: int) -> Iterator[Operation]:
        """Yield the operations after `version`, the last one first."""
        return takewhile(lambda one: one.number > version, reversed(self.entries))

    def since(self, version: int, segments: set[int] | frozenset[int]) -> list[Operation]:
        """Return the operations after `version` that concern one of `segments`, in order."""
        operations = {}
        for segment in segments:
            for operation in reversed(self._by_segment.get(segment, ())):
                if operation.number <= version:
                    break
                operations[operation.number] = operation
        return [operations[number] for number in sorted(operations)]

    def toggle(self, number: int, action: Toggle, mapping: Mapping) -> tuple[Operation, Toggle, Changes]:
        """Return the edit that an undo or redo concerns, what is done with it, and the changes to apply.

        An edit is taken back as if it had never been: not where a later one depends on it.

        Parameters
        ----------
        number : int
            Operation.
        action : {"undo", "redo"}
            What to do with it; the undo of an undo is a redo.
        mapping : Mapping
            The mapping now.

        Raises
        ------
        InvalidInput
            If it is already undone, or done.
        EditConflict
            If a later operation depends on it; names them.
        NotFound
            If it does not exist.
        """
        operation = self.find(number)
        edit = self.find(operation.target or number)
        last = self._last_toggle[edit.number]
        if operation.target and action == "undo":
            if last is not operation:
                raise InvalidInput(f"{operation} is already undone, by {last}")
            action = "redo" if operation.action == "undo" else "undo"
        is_undone = last.action == "undo"
        if is_undone == (action == "undo"):
            raise InvalidInput(
                f"{edit} is already undone, by {last}" if is_undone else f"{edit} is done, not undone; nothing to redo"
            )
        changes = edit.changes if is_undone else edit.changes.reversed()
        emptied, created = edit.details["emptied"], edit.details["created"]
        if not is_undone:
            emptied, created = created, emptied
        later = self._dependent(edit)
        if later or not _fits(changes, set(emptied), set(created), mapping):
            others = [one for one in self.since(last.number, edit.changes.segments) if self.status(one) == "done"]
            names = ", ".join(map(str, later or others)) or "later operations"
            raise EditConflict(f"cannot {action} {edit}; undo what depends on it first: {names}")
        return edit, action, changes

    def _dependent(self, edit: Operation) -> list[Operation]:
        """Return the later edits that are done and concern a segment of `edit`.

        Only merges into one segment are independent, where neither takes what the other has moved or emptied.
        """
        later = self.since(edit.number, edit.changes.segments)
        return [
            one
            for one in later
            if one.target is None and self.status(one) == "done" and not _are_independent(edit, one)
        ]


def _are_independent(one: Operation, other: Operation) -> bool:
    if not one.action == other.action == "merge":
        return False
    if np.isin(one.changes.moves[:, 0], other.changes.moves[:, 0]).any():
        return False
    emptied = [set(each.details["emptied"]) for each in (one, other)]
    return not (one.changes.segments & emptied[1] or other.changes.segments & emptied[0])


def _fits(changes: Changes, emptied: set[int], created: set[int], mapping: Mapping) -> bool:
    """Whether changes do now what they did to the same segments before."""
    moved: dict[int, set[int]] = {}
    for supervoxel, before, _ in changes.moves.tolist():
        if mapping.segment_of(supervoxel) != before:
            return False
        moved.setdefault(before, set()).add(supervoxel)
    after = set(changes.moves[:, 2].tolist()) - {0}
    for segment in moved.keys() - after - {0}:
        if (mapping.supervoxels(segment) <= moved[segment]) != (segment in emptied):
            return False
    return all(bool(mapping.supervoxels(segment)) != (segment in created) for segment in after)


def edit_details(changes: Changes, mapping: Mapping, segments: Sequence[int], **arguments: Any) -> dict[str, Any]:
    """Return the details of an edit: what it leaves, empties and creates, and what it was called with."""
    moved: dict[int, set[int]] = {}
    for supervoxel, before, _ in changes.moves.tolist():
        moved.setdefault(before, set()).add(supervoxel)
    after = set(changes.moves[:, 2].tolist())
    emptied = [one for one in sorted(set(moved) - {0} - after) if mapping.supervoxels(one) <= moved[one]]
    created = [one for one in sorted(after - {0}) if not mapping.supervoxels(one)]
    return {"segments": list(segments), "emptied": emptied, "created": created, **arguments}
