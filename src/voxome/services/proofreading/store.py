"""A proofreading store: the volume that it belongs to, its branches, versions and counters."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as JsonObject
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.contracts.formats import PROOFREADING
from voxome.contracts.provenance import InputRecord
from voxome.contracts.source import VolumeSource
from voxome.errors import AlreadyExists, InvalidInput, NotFound, StoreError, UnknownName
from voxome.geometry import Box
from voxome.redaction import redact
from voxome.resources.open import open_source
from voxome.services.proofreading.arguments import require_version
from voxome.services.proofreading.branch_lookup import BranchLookup
from voxome.services.proofreading.contents import contents_of
from voxome.services.proofreading.database import Database
from voxome.services.proofreading.graph_cut import Edges
from voxome.services.proofreading.mapping import Supervoxels
from voxome.services.proofreading.scan import CHUNK, Scan
from voxome.services.proofreading.source_check import require_unchanged
from voxome.services.proofreading.state import Lineage, State
from voxome.services.proofreading.tables import (
    BRANCHES,
    EDGES,
    INDEX,
    OPERATIONS,
    STORE,
    SUPERVOXELS,
    VERSIONS,
    pack,
    unpack,
)

MAIN = "main"
"""Name of the first branch."""
_PAGE = 1 << 17
_ROWS = 256
"""Chunks that are inserted at once."""

VersionLike = int | str
"""Number of an operation (0: the start), or the name of a version or branch."""


@dataclass(frozen=True)
class Branch:
    """A branch: where it began, and who has made it when (seconds since 1970)."""

    name: str
    parent: str | None
    fork: int
    author: str
    time_s: float


@dataclass(frozen=True)
class NamedVersion:
    """A version with a name."""

    name: str
    branch: str
    version: int
    author: str
    time_s: float


class ProofreadingStore:
    """What is in the database of a volume.

    Parameters
    ----------
    database : Database
        Database, in which the store exists.
    source : VolumeSource, optional
        The supervoxels, where they cannot be opened by their URI.
    compared : bool
        Whether they are known to be those of which it was made.

    Raises
    ------
    NotFound
        If there is no store.
    UnsupportedFormat
        If it is of another version.
    """

    def __init__(self, database: Database, source: VolumeSource | None = None, *, compared: bool = False) -> None:
        self.database, self._source, self._compared = database, source, compared
        if not database.exists:
            raise NotFound(
                f"{database.name} is not a proofreading store; voxome.proofread(VOLUME, store=…) or "
                "`voxome proofread start` makes one"
            )
        with database.reading() as connection:
            version, self._description, last = connection.execute(
                sa.select(STORE.c.format_version, STORE.c.description, STORE.c.last_operation)
            ).one()
        PROOFREADING.check_version(version, database.name)
        self._contents = contents_of(database, self._description["token"], last)

    @property
    def token(self) -> str:
        """Random text that no other store has."""
        return str(self._description["token"])

    @property
    def uri(self) -> str:
        """Address of the supervoxels; empty for an array."""
        return str(self._description["uri"])

    def labels_record(self) -> InputRecord:
        """Return the supervoxels as an input of what is made of them, with their state when they were compared."""
        return InputRecord("labels", redact(self.uri) or "array", self._description["source_state"]["token"])

    @property
    def domain(self) -> Box:
        """Extent of the supervoxels."""
        return Box.of_shape(self._description["shape"], self._description["start"])

    @property
    def chunk(self) -> tuple[int, ...]:
        """Shape of a chunk of the index and of the changed voxels."""
        return (CHUNK,) * 3

    @property
    def source(self) -> VolumeSource:
        """The supervoxels at the start.

        Raises
        ------
        StoreError
            If they are an array of another process.
        InvalidInput
            If they have changed since, as far as that is found out.
        """
        self.require_unchanged()
        return self.opened_source

    def require_unchanged(self) -> None:
        """Compare the supervoxels, once, with those of which the store was made; the errors are those of `source`."""
        if not self._compared:
            require_unchanged(self.database, self.opened_source, self._description["source_state"], self.uri)
            self._compared = True

    @cached_property
    def opened_source(self) -> VolumeSource:
        """The supervoxels, compared with nothing; the errors are those of `source`."""
        if self._source is not None:
            return self._source
        if not self.uri:
            raise StoreError(
                f"{self.database.name} belongs to an array that was never stored; open it with "
                "voxome.proofread(ARRAY, store=…)"
            )
        return open_source(self.uri)

    @property
    def start(self) -> Supervoxels:
        """The mapping at the start."""
        return self._contents.constant("start", self._read_start)

    def _read_start(self) -> Supervoxels:
        with self.database.reading() as connection:
            pages = connection.execute(sa.select(SUPERVOXELS).order_by(SUPERVOXELS.c.page)).all()
        if not pages:
            return Supervoxels(np.empty(0, np.uint64))
        ids = np.concatenate([unpack(page.ids) for page in pages])
        if pages[0].segments is None:
            return Supervoxels(ids)
        return Supervoxels(ids, np.concatenate([unpack(page.segments) for page in pages]))

    def chunks_of(self, supervoxels: Iterable[int]) -> list[int]:
        """Return the numbers of the chunks that had one of some supervoxels at the start."""
        ids, chunks = self._contents.constant("chunks by id", self._read_chunks_by_id)
        sought = np.array(sorted(supervoxels), np.uint64)
        first, last = (np.searchsorted(ids, sought, side) for side in ("left", "right"))
        return sorted({one for a, b in zip(first, last, strict=True) for one in chunks[a:b].tolist()})

    def _read_chunks_by_id(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return supervoxels, sorted, and the chunks that they are in, one row for each."""
        with self.database.reading() as connection:
            index = {row.chunk: unpack(row.ids) for row in connection.execute(sa.select(INDEX.c.chunk, INDEX.c.ids))}
        ids = np.concatenate([np.empty(0, np.uint64), *index.values()])
        chunks = np.repeat(np.array(list(index), np.int64), [len(one) for one in index.values()])
        order = np.argsort(ids, kind="stable")
        return ids[order], chunks[order]

    @property
    def edges(self) -> Edges | None:
        """Edges between supervoxels at the start; None if there are none."""
        return self._contents.constant("edges", self._read_edges)

    def _read_edges(self) -> Edges | None:
        with self.database.reading() as connection:
            pages = connection.execute(sa.select(EDGES).order_by(EDGES.c.page)).all()
        if not pages:
            return None
        rows = np.concatenate([unpack(page.rows, 3) for page in pages])
        return Edges(rows[:, :2], np.ascontiguousarray(rows[:, 2]).view(np.float64))

    def branches(self) -> dict[str, Branch]:
        """Return all branches by name, the first one first."""
        with self.database.reading() as connection:
            return read_branches(connection)

    def versions(self) -> dict[str, NamedVersion]:
        """Return the named versions."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(VERSIONS).order_by(VERSIONS.c.time_s, VERSIONS.c.name))
            return {row.name: NamedVersion(*row) for row in rows}

    def state(self, branch: str = MAIN, version: VersionLike | None = None) -> State:
        """Return the state of a branch, or at a version, as it is now.

        Raises
        ------
        UnknownName, NotFound
            If the branch or the version does not exist.
        InvalidInput
            If the version is no version.
        """
        with self.database.reading() as connection:
            state = State(self.start, self.lineage(connection, branch, version))
            state.follow(connection)
        return state

    def lookup(self, branch: str = MAIN, version: VersionLike | None = None) -> BranchLookup:
        """Return the look-up of a branch, or at a version, which all readers share; the errors are those of `state`."""
        with self.database.reading() as connection:
            lineage = self.lineage(connection, branch, version)
        return self._contents.lookup(self.start, lineage)

    def lineage(self, connection: sa.Connection, branch: str, version: VersionLike | None = None) -> Lineage:
        """Return the branches whose operations make a state, its own first; the errors are those of `state`."""
        branches = read_branches(connection)
        require_branch(branches, branch)
        last: int | None = None
        if version is not None:
            branch, last = self._resolve(connection, branches, branch, require_version(version))
        return _lineage(branches, branch, last)

    def _resolve(
        self, connection: sa.Connection, branches: dict[str, Branch], branch: str, version: VersionLike
    ) -> tuple[str, int | None]:
        """Return the branch and the number of the last operation of a version."""
        if isinstance(version, str):
            row = connection.execute(sa.select(VERSIONS).where(VERSIONS.c.name == version)).one_or_none()
            if row is not None:
                return row.branch, row.version
            if version in branches:
                return version, None
            names = [*connection.execute(sa.select(VERSIONS.c.name)).scalars(), *branches]
            raise UnknownName.of("version", version, names, self.database.name)
        if version == 0 or any(version == one.fork for one in _ancestry(branches, branch)):
            return branch, version
        owner = connection.execute(
            sa.select(OPERATIONS.c.branch).where(OPERATIONS.c.number == version)
        ).scalar_one_or_none()
        if owner is None:
            raise NotFound(
                f"{self.database.name} has no version {version}; session.history() or `voxome proofread history` lists "
                "the operations"
            )
        return owner, version


def create_store(
    database: Database,
    uri: str,
    domain: Box,
    scan: Scan,
    state: JsonObject[str, Any],
    author: str,
    mapping: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None,
    edges: Edges | None = None,
) -> bool:
    """Create the tables of a store, unless another process was faster.

    Parameters
    ----------
    database : Database
        Database without a store.
    uri : str
        Address of the supervoxels; empty for an array.
    domain : Box
        Their extent.
    scan : Scan
        The supervoxels.
    state : mapping
        Their `source_state` before they were read.
    author : str
        Who begins.
    mapping : (n,) and (n,) array of uint64, optional
        Supervoxels and their segments at the start; a supervoxel that is not among them is a segment of its own.
    edges : Edges, optional
        Edges between supervoxels.

    Returns
    -------
    bool
        Whether it was created; False if another process was faster, whose store stays as it is.
    """
    ids = scan.ids
    if edges is not None:
        _require_edges(edges, ids)
    segments = None if mapping is None else _segments(ids, *mapping)
    largest = max(int(ids[-1]) if len(ids) else 0, 0 if segments is None or not len(ids) else int(segments.max()))

    def fill(connection: sa.Connection) -> None:
        now = database.now_s(connection)
        extent = {"shape": list(domain.shape), "start": list(domain.start)}
        description = {"uri": uri, "source_state": dict(state), "token": uuid.uuid4().hex, **extent}
        row = {"id": 1, "format_version": PROOFREADING.version, "description": description}
        connection.execute(STORE.insert(), {**row, "last_id": largest, "last_operation": 0})
        connection.execute(
            BRANCHES.insert(), {"name": MAIN, "parent": None, "fork": 0, "author": author, "time_s": now}
        )
        pages = [
            {
                "page": page,
                "ids": pack(ids[at : at + _PAGE]),
                "segments": None if segments is None else pack(segments[at : at + _PAGE]),
            }
            for page, at in enumerate(range(0, len(ids), _PAGE))
        ]
        chunks = ({"chunk": one.number, "ids": pack(one.ids), "digest": one.digest} for one in scan.chunks())
        while rows := list(islice(chunks, _ROWS)):
            connection.execute(INDEX.insert(), rows)
        graph = [] if edges is None else _edge_pages(edges)
        for table, content in ((SUPERVOXELS, pages), (EDGES, graph)):
            if content:
                connection.execute(table.insert(), content)

    return database.create(fill)


def _segments(
    ids: NDArray[np.uint64], supervoxels: NDArray[np.uint64], segments: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Return the segment of each of `ids`."""
    if supervoxels.shape != segments.shape or supervoxels.ndim != 1:
        raise InvalidInput(
            f"the mapping has supervoxels of shape {supervoxels.shape} and segments of shape {segments.shape}; "
            "expected two arrays of one length"
        )
    keys, first = np.unique(supervoxels, return_index=True)
    if len(keys) != len(supervoxels):
        raise InvalidInput("the mapping has a supervoxel twice; give each supervoxel one segment")
    unknown = keys[~np.isin(keys, ids)]
    if len(unknown):
        raise NotFound(f"the mapping has {len(unknown)} supervoxels that the volume lacks, such as {int(unknown[0])}")
    if (segments == 0).any():
        raise InvalidInput("the mapping has the segment 0, which is the background; number segments from 1")
    result = ids.copy()
    result[np.searchsorted(ids, keys)] = segments[first]
    return result


def _require_edges(edges: Edges, ids: NDArray[np.uint64]) -> None:
    if edges.ends.ndim != 2 or edges.ends.shape[1] != 2 or edges.affinities.shape != (len(edges.ends),):
        raise InvalidInput(
            f"the edges have ends of shape {edges.ends.shape} and affinities of shape {edges.affinities.shape}; "
            "expected two supervoxels and one affinity for each"
        )
    unknown = edges.ends[~np.isin(edges.ends, ids)]
    if len(unknown):
        raise NotFound(f"the edges have {len(unknown)} supervoxels that the volume lacks, such as {int(unknown[0])}")
    if (
        not (np.isfinite(edges.affinities) & (edges.affinities > 0)).all()
        or (edges.ends[:, 0] == edges.ends[:, 1]).any()
    ):
        raise InvalidInput("an edge joins a supervoxel to itself, or its affinity is not a number above 0")


def _edge_pages(edges: Edges) -> list[dict[str, object]]:
    rows = np.column_stack([edges.ends, edges.affinities.astype(np.float64).view(np.uint64)])
    return [{"page": page, "rows": pack(rows[at : at + _PAGE])} for page, at in enumerate(range(0, len(rows), _PAGE))]


def read_branches(connection: sa.Connection) -> dict[str, Branch]:
    """Return all branches by name, in the order of their creation."""
    rows = connection.execute(sa.select(BRANCHES).order_by(BRANCHES.c.time_s, BRANCHES.c.name))
    return {row.name: Branch(*row) for row in rows}


def require_branch(branches: dict[str, Branch], name: str) -> Branch:
    """Return a branch.

    Raises
    ------
    UnknownName
        If it does not exist.
    """
    if name not in branches:
        raise UnknownName.of("branch", name, branches)
    return branches[name]


def _ancestry(branches: dict[str, Branch], branch: str) -> list[Branch]:
    """Return a branch, its parent, and so on."""
    ancestry = [branches[branch]]
    while (parent := ancestry[-1].parent) is not None:
        ancestry.append(branches[parent])
    return ancestry


def _lineage(branches: dict[str, Branch], branch: str, last: int | None) -> Lineage:
    lineage: list[tuple[str, int | None]] = []
    for one in _ancestry(branches, branch):
        lineage.append((one.name, last))
        last = one.fork if last is None else min(last, one.fork)
    return tuple(lineage)


def add_branch(connection: sa.Connection, branch: Branch) -> None:
    """Add a branch.

    Raises
    ------
    AlreadyExists
        If there is one of this name, or a version.
    """
    _require_free(connection, branch.name)
    connection.execute(BRANCHES.insert(), vars(branch))


def add_version(connection: sa.Connection, version: NamedVersion) -> None:
    """Name a version.

    Raises
    ------
    AlreadyExists
        If there is one of this name, or a branch.
    """
    _require_free(connection, version.name)
    connection.execute(VERSIONS.insert(), vars(version))


def _require_free(connection: sa.Connection, name: str) -> None:
    tables: Sequence[sa.Table] = (BRANCHES, VERSIONS)
    for table in tables:
        if connection.execute(sa.select(table.c.name).where(table.c.name == name)).first():
            raise AlreadyExists(f"there is already a branch or version {name!r}; choose another name")
