"""A proofreading session: edits of the segments of a volume by one author."""

from __future__ import annotations

import operator
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import numpy as np
import sqlalchemy as sa
from numpy.typing import ArrayLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_number
from voxome.contracts.kinds import Rows
from voxome.errors import EditConflict, InvalidInput, NotFound, describe_value
from voxome.resources.volume import Volume
from voxome.services.proofreading.changes import Changes
from voxome.services.proofreading.ids import LARGEST, take_ids
from voxome.services.proofreading.leases import Lease, release_lease, require_free, take_lease
from voxome.services.proofreading.mapping import Mapping
from voxome.services.proofreading.operations import Action, Operation, edit_details
from voxome.services.proofreading.remote import SCHEME, require_name
from voxome.services.proofreading.source import SegmentsSource
from voxome.services.proofreading.state import Lineage, State
from voxome.services.proofreading.store import (
    MAIN,
    Branch,
    NamedVersion,
    ProofreadingStore,
    VersionLike,
    add_branch,
    add_version,
)
from voxome.services.proofreading.tables import OPERATIONS, STORE

_KEPT = 8
"""Earlier versions whose mapping is kept."""
_LISTED = 10
"""Ids that a message lists."""

NewIds = Callable[[int], list[int]]
"""Returns so many ids that nobody has used."""


class Session:
    """Edits of the segments of a volume, on one branch, by one author.

    Every edit is one transaction: it is there as a whole, for all readers at once, or it is not there. An edit is
    refused with `EditConflict` if another session has changed one of its segments since the version that it is based
    on, which is that of the last `refresh` unless ``version=`` names another one.

    Parameters
    ----------
    store : ProofreadingStore
        The store.
    author : str
        Who edits.
    branch : str
        Branch to edit.

    Examples
    --------
    >>> import numpy as np, tempfile, voxome
    >>> labels = np.repeat(np.arange(1, 5, dtype=np.uint64), 2).reshape(2, 2, 2)
    >>> session = voxome.proofread(labels, store=tempfile.mkdtemp() + "/edits.sqlite", author="ann")
    >>> session.merge([1, 2, 3]).segments
    [1]
    >>> session.cleave(1, [2]).segments
    [1, 5]
    >>> session.volume[:].ravel().tolist()
    [1, 1, 5, 5, 1, 1, 4, 4]
    >>> session.undo(2).action, session.segment_of([2]).tolist()
    ('undo', [1])
    """

    def __init__(self, store: ProofreadingStore, author: str, branch: str = MAIN) -> None:
        self.store, self.author, self.branch = store, author, branch
        self._token = uuid.uuid4().hex
        self._state = store.state(branch)
        self._seen = self._state.version
        self._states: dict[Lineage, State] = {}

    def __repr__(self) -> str:
        return f"<Session of {self.author} on {self.store.database.name}, branch {self.branch!r}>"

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the store."""
        self.store.database.close()

    @property
    def uri(self) -> str:
        """Address of the segments, as they are now, for `voxome.open`."""
        return f"{SCHEME}://{self.store.database.address}?branch={self.branch}"

    @property
    def volume(self) -> Volume:
        """The segments, as they are now."""
        return Volume(SegmentsSource(self.store, self.branch), self.uri)

    @property
    def version(self) -> int:
        """Version that edits are based on: that of the last `refresh`, or of this session's last edit."""
        return self._seen

    def refresh(self) -> int:
        """Take note of the edits of all other sessions, and return the version."""
        with self.store.database.reading() as connection:
            self._state.follow(connection)
        self._seen = self._state.version
        return self._seen

    @explain_calls
    def segment_of(self, supervoxels: ArrayLike, version: VersionLike | None = None) -> NDArray[np.uint64]:
        """Return the segments of supervoxels.

        Parameters
        ----------
        supervoxels : (n,) array of int
            Supervoxels.
        version : int or str, optional
            Version; now if None.

        Returns
        -------
        (n,) array of uint64
            0 where a supervoxel does not exist.
        """
        mapping = self._mapping(version)
        return np.array([mapping.segment_of(one) for one in require_ids("supervoxels", supervoxels)], np.uint64)

    @explain_calls
    def supervoxels(self, id: int, version: VersionLike | None = None) -> NDArray[np.uint64]:
        """Return the supervoxels of a segment, sorted.

        Parameters
        ----------
        id : int
            Segment.
        version : int or str, optional
            Version; now if None.

        Raises
        ------
        NotFound
            If the segment does not exist in this version.
        """
        (segment,) = require_ids("id", [id])
        found = self._mapping(version).supervoxels(segment)
        if not found:
            raise NotFound(f"no segment {segment} in {'this version' if version is None else f'version {version}'}")
        return np.array(sorted(found), np.uint64)

    @explain_calls
    def mapping(self, version: VersionLike | None = None) -> Rows:
        """Return all supervoxels, sorted, and their segments: the columns ``supervoxel`` and ``segment``."""
        supervoxels, segments = self._mapping(version).table()
        return {"supervoxel": supervoxels, "segment": segments}

    @explain_calls
    def history(self) -> list[Operation]:
        """Return all operations of this branch, and those of its parents up to where it began, in order."""
        with self.store.database.reading() as connection:
            self._state.follow(connection)
        return list(self._state.log.entries)

    def status(self, operation: Operation | int) -> Literal["done", "undone"]:
        """Return whether what an operation has done is still done."""
        number = operation if isinstance(operation, int) else operation.number
        self.history()
        return self._state.log.status(self._state.log.find(number))

    @explain_calls
    def merge(self, ids: Iterable[int], *, version: VersionLike | None = None) -> Operation:
        """Merge segments into the first of them.

        Parameters
        ----------
        ids : iterable of int
            Two or more segments; the first keeps its id.
        version : int or str, optional
            Version that the edit is based on; `version` if None.

        Raises
        ------
        InvalidInput
            If there are fewer than two, or one occurs twice; nothing changes.
        EditConflict
            If another session has changed or locked one of them.
        NotFound
            If one does not exist.
        """
        segments = require_ids("ids", ids)
        if len(segments) < 2:
            raise InvalidInput(f"ids is {segments}; expected two or more segments to merge; nothing has changed")
        _require_distinct(segments, "segment")

        def prepare(mapping: Mapping, _: NewIds) -> tuple[Changes, list[int]]:
            target, *others = segments
            moves = [(one, other, target) for other in others for one in sorted(mapping.supervoxels(other))]
            return Changes.of(moves), [target]

        return self._edit("merge", segments, prepare, version, {"ids": segments})

    @explain_calls
    def cleave(self, id: int, supervoxels: Iterable[int], *, version: VersionLike | None = None) -> Operation:
        """Divide supervoxels off a segment, into a new segment.

        Parameters
        ----------
        id : int
            Segment, which keeps the other supervoxels.
        supervoxels : iterable of int
            Some, but not all, of its supervoxels.
        version : int or str, optional
            Version that the edit is based on; `version` if None.

        Returns
        -------
        Operation
            Its ``segments`` are `id` and the new segment.

        Raises
        ------
        InvalidInput
            If one of the supervoxels is not in the segment or occurs twice, or they are none or all of it.
        EditConflict
            If another session has changed or locked the segment.
        NotFound
            If it does not exist.
        """
        (segment,) = require_ids("id", [id])
        cut = require_ids("supervoxels", supervoxels)
        _require_distinct(cut, "supervoxel")

        def prepare(mapping: Mapping, new_ids: NewIds) -> tuple[Changes, list[int]]:
            members = mapping.supervoxels(segment)
            if missing := [one for one in cut if one not in members]:
                raise InvalidInput(f"segment {segment} does not contain the supervoxels {_text(missing)}")
            if not cut or len(cut) == len(members):
                raise InvalidInput(
                    f"{len(cut)} of the {len(members)} supervoxels of segment {segment} were given; expected some, but "
                    "not all"
                )
            new = new_ids(1)[0]
            return Changes.of((one, segment, new) for one in cut), [segment, new]

        return self._edit("cleave", [segment], prepare, version, {"id": segment, "supervoxels": cut})

    @explain_calls
    def undo(self, operation: Operation | int | None = None) -> Operation:
        """Take an operation back, as if it had never been; the undo of an undo is a redo.

        Parameters
        ----------
        operation : Operation or int, optional
            Any operation of this branch, of any author; this session's last edit that is done if None.

        Raises
        ------
        InvalidInput
            If it is already undone.
        EditConflict
            If later operations depend on it, or a segment is locked; names them.
        NotFound
            If it does not exist.
        """
        return self._toggle(operation, "undo")

    @explain_calls
    def redo(self, operation: Operation | int | None = None) -> Operation:
        """Do again what was undone; the errors are those of `undo`.

        Parameters
        ----------
        operation : Operation or int, optional
            The operation that was undone; that of this session's last undo if None.
        """
        return self._toggle(operation, "redo")

    @explain_calls
    def name_version(self, name: str, version: VersionLike | None = None) -> NamedVersion:
        """Give a version a name, by which it can be opened: ``proofread://STORE?version=NAME``.

        Parameters
        ----------
        name : str
            Letters, digits, ``-`` and ``_``.
        version : int or str, optional
            Version; now if None.

        Raises
        ------
        AlreadyExists
            If a version or branch has this name.
        """
        require_name(name)
        with self.store.database.writing() as connection:
            number = self._state_at(connection, version).version
            branch = self.store.lineage(connection, self.branch, version)[0][0]
            named = NamedVersion(name, branch, number, self.author, self.store.database.now_s(connection))
            add_version(connection, named)
        return named

    @explain_calls
    def create_branch(self, name: str, version: VersionLike | None = None) -> Session:
        """Begin a branch and return a session on it.

        Parameters
        ----------
        name : str
            Letters, digits, ``-`` and ``_``.
        version : int or str, optional
            Version of this branch at which it begins; now if None.

        Raises
        ------
        AlreadyExists
            If a version or branch has this name.
        """
        require_name(name)
        self.refresh()
        with self.store.database.writing() as connection:
            parent, fork = self.store.lineage(connection, self.branch, version)[0]
            last = self._state_at(connection, version).version if fork is None else fork
            now = self.store.database.now_s(connection)
            add_branch(connection, Branch(name, parent, last, self.author, now))
        return Session(self.store, self.author, name)

    def on(self, branch: str) -> Session:
        """Return a session on another branch.

        Raises
        ------
        UnknownName
            If it does not exist.
        """
        return Session(self.store, self.author, branch)

    @property
    def branches(self) -> dict[str, Branch]:
        """All branches by name, the first one first."""
        return self.store.branches()

    @property
    def versions(self) -> dict[str, NamedVersion]:
        """All named versions."""
        return self.store.versions()

    @contextmanager
    def lock(self, *ids: int, seconds: float = 60) -> Iterator[None]:
        """Keep segments from being edited by other sessions while a ``with`` block runs.

        Parameters
        ----------
        *ids : int
            Segments.
        seconds : float
            When the lock ends although nobody has released it, as after a crash.

        Raises
        ------
        EditConflict
            If another session has locked one.
        NotFound
            If one does not exist.
        """
        segments = require_ids("ids", ids)
        if require_number("seconds", seconds) <= 0:
            raise InvalidInput(f"seconds is {seconds}; expected more than 0")
        with self.store.database.writing() as connection:
            self._state.follow(connection)
            self._require_exist(segments)
            lease = Lease(self.branch, self._token, self.author)
            take_lease(connection, lease, segments, self.store.database.now_s(connection), seconds)
        try:
            yield
        finally:
            with self.store.database.writing() as connection:
                release_lease(connection, lease, segments)

    def _toggle(self, operation: Operation | int | None, action: Literal["undo", "redo"]) -> Operation:
        with self.store.database.writing() as connection:
            self._state.follow(connection)
            number = self._last(action) if operation is None else require_operation(operation)
            edit, done, changes = self._state.log.toggle(number, action, self._state.mapping)
            self._require_free(connection, edit.changes.segments)
            entry = self._insert(connection, done, edit.number, {"segments": edit.segments}, changes)
        self._state.append(entry)
        return entry

    def _last(self, action: Literal["undo", "redo"]) -> int:
        """Return the edit that an undo or a redo of this session concerns by default."""
        log = self._state.log
        for one in reversed(log.entries):
            undone = log.status(one) == "undone"
            if one.session == self._token and one.target is None and undone == (action == "redo"):
                return one.number
        raise InvalidInput(f"this session has nothing to {action}; give the number of an operation, as in history()")

    def _edit(
        self,
        action: Action,
        segments: Sequence[int],
        prepare: Callable[[Mapping, NewIds], tuple[Changes, list[int]]],
        version: VersionLike | None,
        arguments: dict[str, Any],
    ) -> Operation:
        """Check and write an edit, in one transaction."""
        with self.store.database.writing() as connection:
            before = self._state.version
            self._state.follow(connection)
            based_on = self._seen if version is None else self._number_of(connection, version)
            self._require_unchanged(segments, based_on)
            self._require_exist(segments)
            self._require_free(connection, segments)
            changes, left = prepare(self._state.mapping, lambda count: take_ids(connection, count))
            details = edit_details(changes, self._state.mapping, left, based_on=based_on, **arguments)
            operation = self._insert(connection, action, None, details, changes)
        if self._seen == before == operation.number - 1:
            self._seen = operation.number
        self._state.append(operation)
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
        operation = Operation(number, self.branch, action, self.author, now, self._token, target, details, changes)
        fields = {name: value for name, value in vars(operation).items() if name != "changes"}
        connection.execute(OPERATIONS.insert(), {**fields, **changes.pack()})
        connection.execute(STORE.update().values(last_operation=number))
        return operation

    def _require_unchanged(self, segments: Sequence[int], version: int) -> None:
        for one in self._state.log.since(version, set(segments)):
            if one.session != self._token:
                changed = sorted(one.changes.segments & set(segments))
                raise EditConflict(
                    f"segment {_text(changed)} has changed since version {version}: {one}; nothing has changed now: "
                    "look at it again after refresh(), and repeat the edit"
                )

    def _require_exist(self, segments: Sequence[int]) -> None:
        for segment in segments:
            if not self._state.mapping.supervoxels(segment):
                last = [one for one in self._state.log.entries if segment in one.changes.segments]
                reason = f": {last[-1]} removed it" if last else ""
                raise NotFound(f"no segment {segment} on the branch {self.branch!r}{reason}")

    def _require_free(self, connection: sa.Connection, segments: Iterable[int]) -> None:
        require_free(connection, self.branch, self._token, segments, self.store.database.now_s(connection))

    def _mapping(self, version: VersionLike | None) -> Mapping:
        with self.store.database.reading() as connection:
            return self._state_at(connection, version).mapping

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
        return version if isinstance(version, int) else self._state_at(connection, version).version


def require_ids(name: str, values: ArrayLike | Iterable[int]) -> list[int]:
    """Return ids as integers; `name` is the argument, for messages.

    Raises
    ------
    InvalidInput
        If one is not a whole number from 1 to 2⁶⁴ - 1.
    """
    try:
        items = values.ravel().tolist() if isinstance(values, np.ndarray) else list(cast("Iterable[Any]", values))
        ids = [operator.index(one) for one in items]
    except TypeError:
        ids = [0]
    if any(not 0 < one <= LARGEST for one in ids):
        raise InvalidInput(f"{name} is {describe_value(values)}; expected ids, whole numbers from 1 to 2**64 - 1")
    return ids


def require_operation(operation: Operation | int) -> int:
    """Return the number of an operation."""
    if isinstance(operation, Operation):
        return operation.number
    if isinstance(operation, bool) or not isinstance(operation, int):
        raise InvalidInput(
            f"operation is {describe_value(operation)}; expected an operation of history(), or its number"
        )
    return operation


def _require_distinct(ids: Sequence[int], what: str) -> None:
    if repeated := sorted({one for one in ids if ids.count(one) > 1}):
        raise InvalidInput(f"{what} {_text(repeated)} occurs more than once; nothing has changed")


def _text(ids: Sequence[int]) -> str:
    listed = ", ".join(map(str, ids[:_LISTED]))
    return f"{listed} and {len(ids) - _LISTED} more" if len(ids) > _LISTED else listed
