"""Look-ups of a proofreading session: the mapping at any version, history, branches."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.kinds import Rows
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.redaction import redact
from voxome.resources.volume import Volume
from voxome.services.proofreading.arguments import require_id, require_ids, require_points
from voxome.services.proofreading.branches import Branch, NamedVersion, add_branch, add_version
from voxome.services.proofreading.editor import Editor
from voxome.services.proofreading.export import changed_supervoxels
from voxome.services.proofreading.mapping import Mapping
from voxome.services.proofreading.operations import Operation
from voxome.services.proofreading.remote import SCHEME, require_name
from voxome.services.proofreading.source import SegmentsSource
from voxome.services.proofreading.source_check import changed_boxes, record_state, source_state
from voxome.services.proofreading.store import VersionLike
from voxome.services.proofreading.voxels import StoredVoxels, ids_at


class Lookups(Editor):
    """Look-ups of one branch."""

    @property
    def uri(self) -> str:
        """Address of the segments, as they are now, for people; without the password of a database."""
        return redact(self.reveal_uri())

    def reveal_uri(self, version: VersionLike | None = None) -> str:
        """Return the address of the segments with the password of a database, for `voxome.open`.

        Parameters
        ----------
        version : int or str, optional
            Version; always now if None.
        """
        query = "" if version is None else f"&version={version}"
        return f"{SCHEME}://{self.store.database.address}?branch={self.branch}{query}"

    @property
    def volume(self) -> Volume:
        """The segments, as they are now."""
        if self._source is None:
            self._source = SegmentsSource(self.store, self.branch)
        return Volume(self._source, self.reveal_uri())

    @property
    def version(self) -> int:
        """Version that edits are based on: that of the last `refresh`, or of this session's last edit."""
        return self._seen

    def refresh(self) -> int:
        """Take note of the edits of all other sessions, and return the version."""
        with self._reading() as state:
            self._seen = state.version
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
            0 where a supervoxel does not exist, and for 0, the background.
        """
        ids = require_ids("supervoxels", supervoxels, background=True)
        with self._reading(version) as state:
            return np.array([state.mapping.segment_of(one) for one in ids], np.uint64)

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
        segment = require_id("id", id)
        with self._reading(version) as state:
            return np.array(sorted(_members(state.mapping, segment, version)), np.uint64)

    @explain_calls
    def segments_at(self, points: ArrayLike, version: VersionLike | None = None) -> NDArray[np.uint64]:
        """Return the segments at points, as of annotations, at a version.

        Parameters
        ----------
        points : (n, 3) array of int
            Voxels (z, y, x), in the store's coordinates.
        version : int or str, optional
            Version; now if None.

        Returns
        -------
        (n,) array of uint64
            0 in the background.
        """
        at = require_points("points", points, self.store.domain)
        voxels = StoredVoxels(self.store.source)
        with self._lock, self.store.database.reading() as connection:
            mapping = self._state_at(connection, version).mapping
            stored, inverse = np.unique(ids_at(voxels, connection, at), return_inverse=True)
            segments = [mapping.segment_of(mapping.supervoxel_of(one)) if one else 0 for one in stored.tolist()]
        return np.array(segments, np.uint64)[inverse]

    @explain_calls
    def changes(self, since: VersionLike, until: VersionLike | None = None) -> Rows:
        """Return the supervoxels whose segment differs between two versions.

        Parameters
        ----------
        since, until : int or str
            Versions, also of two branches; `until` is now if None.

        Returns
        -------
        table
            ``supervoxel``, ``before`` and ``after``, uint64, sorted by supervoxel; 0 where it does not exist.
        """
        with self._lock, self.store.database.reading() as connection:
            states = self._state_at(connection, since), self._state_at(connection, until)
            pairs = changed_supervoxels(*states)
        rows = np.array([(one, *pair) for one, pair in pairs.items()], np.uint64).reshape(-1, 3)
        return {"supervoxel": rows[:, 0], "before": rows[:, 1], "after": rows[:, 2]}

    @explain_calls
    def names(self, id: int, version: VersionLike | None = None) -> list[str]:
        """Return the names of a segment, in the order in which they were given.

        A name stays with the lowest supervoxel that the segment had when it was given: a merged segment has the names
        of both, and a cleave or split leaves each name to the side of that supervoxel.

        Raises
        ------
        NotFound
            If the segment does not exist in this version.
        """
        segment = require_id("id", id)
        with self._reading(version) as state:
            named = [one for one in state.log.entries if one.action == "name" and state.log.status(one) == "done"]
            _members(state.mapping, segment, version)
            return [one.details["name"] for one in named if segment in state.concerned(one)]

    @explain_calls
    def mapping(self, version: VersionLike | None = None) -> Rows:
        """Return all supervoxels, sorted, and their segments: the columns ``supervoxel`` and ``segment``."""
        with self._reading(version) as state:
            supervoxels, segments = state.mapping.table()
        return {"supervoxel": supervoxels, "segment": segments}

    def compare_source(self) -> list[Box]:
        """Compare all supervoxels with those of which the store was made.

        All voxels are read once. If none differs, opening the store compares nothing until the files change again.

        Returns
        -------
        list of Box
            Chunks that differ.
        """
        database, source = self.store.database, self.store.opened_source
        state = source_state(source)
        differing = list(changed_boxes(database, source))
        if not (differing or database.is_read_only):
            with database.writing() as connection:
                record_state(connection, state)
        return differing

    @explain_calls
    def history(self) -> list[Operation]:
        """Return all operations of this branch, and those of its parents up to where it began, in order."""
        with self._reading() as state:
            return list(state.log.entries)

    def status(self, operation: Operation | int) -> Literal["done", "undone"]:
        """Return whether what an operation has done is still done."""
        number = operation if isinstance(operation, int) else operation.number
        with self._reading() as state:
            return state.log.status(state.log.find(number))

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
        with self._lock, self.store.database.writing() as connection:
            number = self._state_at(connection, version).version
            branch = self.store.lineage(connection, self.branch, version)[0][0]
            named = NamedVersion(name, branch, number, self.author, self.store.database.now_s(connection))
            add_version(connection, named)
        return named

    @explain_calls
    def create_branch(self, name: str, version: VersionLike | None = None) -> Self:
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
        with self._lock, self.store.database.writing() as connection:
            parent, fork = self.store.lineage(connection, self.branch, version)[0]
            last = self._state_at(connection, version).version if fork is None else fork
            now = self.store.database.now_s(connection)
            add_branch(connection, Branch(name, parent, last, self.author, now))
        return type(self)(self.store, self.author, name)

    def on(self, branch: str) -> Self:
        """Return a session on another branch.

        Raises
        ------
        UnknownName
            If it does not exist.
        """
        return type(self)(self.store, self.author, branch)

    @property
    def branches(self) -> dict[str, Branch]:
        """All branches by name, the first one first."""
        return self.store.branches()

    @property
    def versions(self) -> dict[str, NamedVersion]:
        """All named versions."""
        return self.store.versions()


def _members(mapping: Mapping, segment: int, version: VersionLike | None) -> set[int]:
    """Return the supervoxels of a segment.

    Raises
    ------
    NotFound
        If it does not exist in this version.
    """
    members = mapping.supervoxels(segment)
    if not members:
        raise NotFound(f"no segment {segment} in {'this version' if version is None else f'version {version}'}")
    return members
