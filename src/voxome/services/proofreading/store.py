"""A proofreading store: the volume that it belongs to, its branches, versions and counters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.contracts.formats import PROOFREADING
from voxome.contracts.provenance import InputRecord
from voxome.contracts.source import VolumeSource
from voxome.errors import NotFound, StoreError, UnknownName
from voxome.geometry import Box
from voxome.redaction import redact
from voxome.resources.open import open_source
from voxome.services.proofreading.arguments import require_version
from voxome.services.proofreading.branch_lookup import BranchLookup
from voxome.services.proofreading.branches import (
    MAIN,
    Branch,
    NamedVersion,
    ancestry,
    lineage_of,
    read_branches,
    require_branch,
)
from voxome.services.proofreading.contents import contents_of
from voxome.services.proofreading.database import Database
from voxome.services.proofreading.graph_cut import Edges
from voxome.services.proofreading.mapping import Supervoxels
from voxome.services.proofreading.scan import CHUNK
from voxome.services.proofreading.source_check import require_unchanged
from voxome.services.proofreading.state import Lineage, State
from voxome.services.proofreading.tables import (
    EDGES,
    INDEX,
    OPERATIONS,
    STORE,
    SUPERVOXELS,
    VERSIONS,
    unpack,
)

VersionLike = int | str
"""Number of an operation (0: the start), or the name of a version or branch."""


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
        return lineage_of(branches, branch, last)

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
        if version == 0 or any(version == one.fork for one in ancestry(branches, branch)):
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
