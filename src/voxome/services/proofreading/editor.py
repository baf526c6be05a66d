"""Transactions of a proofreading session."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as JsonObject
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import sqlalchemy as sa

from voxome.errors import EditConflict, InvalidInput, NotFound, describe_value
from voxome.services.proofreading.arguments import id_text, require_operation
from voxome.services.proofreading.branches import MAIN
from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.ids import take_ids
from voxome.services.proofreading.leases import require_free
from voxome.services.proofreading.mapping import Mapping
from voxome.services.proofreading.operations import Action, Operation, Toggle, edit_details
from voxome.services.proofreading.source import SegmentsSource
from voxome.services.proofreading.state import Lineage, State
from voxome.services.proofreading.store import ProofreadingStore, VersionLike
from voxome.services.proofreading.suggestions import decide, require_open
from voxome.services.proofreading.tables import OPERATIONS, STORE

_KEPT = 8
"""Earlier versions whose mapping is kept."""

NewIds = Callable[[int], list[int]]
"""Returns so many ids that nobody has used."""


@dataclass(frozen=True, eq=False)
class Edit:
    """What an edit does.

    Attributes
    ----------
    changes : Changes
        Changes of the mapping.
    segments : list of int
        Segments that it leaves, the one that keeps its id first.
    details : mapping
        Further JSON values for the history.
    write : callable
        Writes voxels; called with the connection and the number of the operation.
    """

    changes: Changes
    segments: list[int]
    details: JsonObject[str, Any] = field(default_factory=dict)
    write: Callable[[sa.Connection, int], None] = lambda connection, number: None


class Editor:
    """State of a branch, and the transactions by which a session reads and changes it; threads may share it.

    Parameters
    ----------
    store : ProofreadingStore
        The store.
    author : str
        Who edits.
    branch : str
        Branch to edit.
    """

    def __init__(self, store: ProofreadingStore, author: str, branch: str = MAIN) -> None:
        self.store, self.author, self.branch = store, author, branch
        self.token = uuid.uuid4().hex
        self._lock = RLock()  # held before a transaction begins, while the state is used
        self._state = store.state(branch)
        self._seen = self._state.version
        self._states: dict[Lineage, State] = {}
        self._locks: Counter[int] = Counter()
        self._accepted: int | None = None
        self._closed = False
        self._source: SegmentsSource | None = None

    @contextmanager
    def accepting(self, suggestion: int) -> Iterator[None]:
        """Let the edits in a ``with`` block accept a suggestion, in their transaction."""
        with self._lock:
            self._accepted = suggestion
            try:
                yield
            finally:
                self._accepted = None

    def require_known(self, arguments: JsonObject[str, Any]) -> None:
        """Raise NotFound if a segment or a supervoxel among the arguments of an edit does not exist now."""
        with self._reading() as state:
            self._require_exist([*arguments.get("ids", ()), *([arguments["id"]] if "id" in arguments else ())])
            unknown = [one for one in arguments.get("supervoxels", ()) if not state.mapping.segment_of(one)]
        if unknown:
            raise NotFound(f"no supervoxels {id_text(unknown)} on the branch {self.branch!r}")

    def _toggle(self, operation: Operation | int | None, action: Toggle) -> Operation:
        with self._writing() as connection:
            self._state.follow(connection)
            number = self._last(action) if operation is None else require_operation(operation)
            edit, toggle, changes = self._state.log.toggle(number, action, self._state.mapping)
            self._require_free(connection, self._state.concerned(edit))
            entry = self._insert(connection, toggle, edit.number, {"segments": edit.segments}, changes)
        self._append(entry)
        return entry

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        if self._closed:
            raise InvalidInput("this session is closed; begin another one with voxome.proofread(…)")
        with self._lock, self.store.database.writing() as connection:
            yield connection

    def _append(self, operation: Operation) -> None:
        """Take note of an own operation; edits are based on it, unless others have edited since the last refresh."""
        with self._lock:
            if all(one.session == self.token for one in self._state.log.after(self._seen)):
                self._seen = max(self._seen, operation.number)
            self._state.append(operation)

    def _last(self, action: Toggle) -> int:
        """Return the edit that an undo or a redo of this session concerns by default."""
        log = self._state.log
        for one in reversed(log.entries):
            undone = log.status(one) == "undone"
            if one.session == self.token and one.target is None and undone == (action == "redo"):
                return one.number
        raise InvalidInput(f"this session has nothing to {action}; give the number of an operation, as in history()")

    def _edit(
        self,
        action: Action,
        segments: Sequence[int],
        prepare: Callable[[Mapping, NewIds], Edit],
        version: VersionLike | None,
        arguments: dict[str, Any],
    ) -> Operation:
        """Check and write an edit, in one transaction."""
        with self._writing() as connection:
            self._state.follow(connection)
            based_on = self._seen if version is None else self._number_of(connection, version)
            self._require_unchanged(segments, based_on)
            self._require_exist(segments)
            self._require_free(connection, segments)
            edit = prepare(self._state.mapping, lambda count: take_ids(connection, count))
            details = edit_details(edit.changes, self._state.mapping, edit.segments, based_on=based_on, **arguments)
            operation = self._insert(connection, action, None, {**details, **edit.details}, edit.changes)
            edit.write(connection, operation.number)
            if self._accepted is not None:
                now = self.store.database.now_s(connection)
                require_open(connection, self.branch, self._accepted, self.token, now)
                decide(connection, self._accepted, "accepted", self.author, operation.number)
        self._append(operation)
        return operation

    def _insert(
        self,
        connection: sa.Connection,
        action: Action,
        target: int | None,
        details: dict[str, Any],
        changes: Changes,
    ) -> Operation:
        number = connection.execute(sa.select(STORE.c.last_operation)).scalar_one() + 1
        now = self.store.database.now_s(connection)
        operation = Operation(number, self.branch, action, self.author, now, self.token, target, details, changes)
        fields = {name: value for name, value in vars(operation).items() if name != "changes"}
        connection.execute(OPERATIONS.insert(), {**fields, **changes.pack()})
        connection.execute(STORE.update().values(last_operation=number))
        return operation

    def _require_unchanged(self, segments: Sequence[int], version: int) -> None:
        for one in self._state.log.since(version, set(segments)):
            if one.session != self.token:
                changed = sorted(one.changes.segments & set(segments))
                raise EditConflict(
                    f"segment {id_text(changed)} has changed since version {version}: {one}; nothing has changed now: "
                    "look at it again after refresh(), and repeat the edit"
                )

    def _require_exist(self, segments: Sequence[int]) -> None:
        for segment in segments:
            if not self._state.mapping.supervoxels(segment):
                last = [one for one in self._state.log.entries if segment in one.changes.segments]
                reason = f": {last[-1]} removed it" if last else ""
                raise NotFound(f"no segment {segment} on the branch {self.branch!r}{reason}")

    def _require_free(self, connection: sa.Connection, segments: Iterable[int]) -> None:
        require_free(connection, self.branch, self.token, segments, self.store.database.now_s(connection))

    @contextmanager
    def _reading(self, version: VersionLike | None = None) -> Iterator[State]:
        """Yield the state at a version, which no other thread changes meanwhile."""
        with self._lock, self.store.database.reading() as connection:
            yield self._state_at(connection, version)

    def _state_at(self, connection: sa.Connection, version: VersionLike | None) -> State:
        """Return the state at a version; the last ones are kept."""
        if version is None:
            self._state.follow(connection)
            return self._state
        lineage = tuple(self.store.lineage(connection, self.branch, version))
        state = self._states.pop(lineage, None) or State(self.store.start, lineage)
        state.follow(connection)
        self._states[lineage] = state
        while len(self._states) > _KEPT:
            del self._states[next(iter(self._states))]
        return state

    def _number_of(self, connection: sa.Connection, version: VersionLike) -> int:
        """Return the number of a version of this branch, on which an edit is based."""
        _, last = self.store.lineage(connection, self.branch, version)[0]
        number = self._state_at(connection, version).version if last is None else last
        if number and not self._state.log.has(number):
            raise InvalidInput(
                f"version is {describe_value(version)}, which is not in the history of the branch {self.branch!r}; "
                "base the edit on a version that is, as history() lists them"
            )
        return number
