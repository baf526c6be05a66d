"""A volume of segments: supervoxels of another volume, with the mapping of a proofreading store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability, most_detailed_version
from voxome.contracts.levels import Level, require_level
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.resources.provenance import history_of
from voxome.services.proofreading.branches import MAIN
from voxome.services.proofreading.coarse_split import coarse_levels
from voxome.services.proofreading.lookup import UnknownId
from voxome.services.proofreading.records import describe_edits
from voxome.services.proofreading.source_check import changed_error
from voxome.services.proofreading.store import ProofreadingStore, VersionLike
from voxome.services.proofreading.voxels import StoredVoxels

A = TypeVar("A")


class SegmentsSource:
    """Segments of a branch, always as they are now, or of a version.

    Parameters
    ----------
    store : ProofreadingStore
        Where the mapping is.
    branch : str
        Branch to follow.
    version : int or str, optional
        Version to read; that of the branch now if None.
    number : int
        Level of the pyramid; 0 is the finest.
    """

    concurrent_writers = False

    def __init__(
        self, store: ProofreadingStore, branch: str = MAIN, version: VersionLike | None = None, number: int = 0
    ) -> None:
        self._store, self._branch, self._version = store, branch, version
        self._voxels = StoredVoxels(_level(store.source, number), number)
        self.spec = _segments_spec(self._voxels.source.spec)
        self._lookup, self._known = store.lookup(branch, version), -1
        with self._lookup.lock, store.database.reading() as connection:
            self._follow(connection)

    @property
    def store(self) -> ProofreadingStore:
        """Where the mapping is."""
        return self._store

    @property
    def branch(self) -> str:
        """Branch that is followed."""
        return self._branch

    @property
    def is_version(self) -> bool:
        """Whether this is one version of the branch, not the branch as it is now."""
        return self._version is not None

    def current_version(self) -> str:
        """Return the number of the last operation of the branch, and a digest of the store and the branch."""
        return f"{self._refresh()}.{self._lineage_digest}"

    def at_version(self, version: str) -> SegmentsSource:
        """Return the segments at a version, which `current_version` has named.

        Raises
        ------
        NotFound
            If it is that of another store or branch, or of the future.
        """
        number, _, lineage = version.partition(".")
        if (
            lineage != self._lineage_digest
            or not number.isdecimal()
            or int(number) > self._store.database.last_operation()
        ):
            raise NotFound(f"{self._store.database.name} has no version {version} on the branch {self._branch!r}")
        return SegmentsSource(self._store, self._branch, int(number), self._voxels.level)

    @cached_property
    def _lineage_digest(self) -> str:
        return hashlib.sha256(f"{self._store.token} {self._branch}".encode()).hexdigest()[:12]

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        voxels = self._voxels.read_start(box)
        with self._lookup.lock:
            if self._store.database.last_operation() != self._known or self._voxels.missing(box):
                with self._store.database.reading() as connection:
                    self._follow(connection)
                    self._voxels.load(box, connection)
            self._voxels.update(voxels, box)
            try:
                self._lookup.replace(voxels)
            except UnknownId as unknown:
                raise self._changed_below(unknown.id, box) from None
        if out is None:
            return voxels
        out[...] = voxels
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly(f"{self._store.database.name}: segments are edited by voxome.proofread, not by writing voxels")

    def version(self) -> Version:
        return self._version_above(self._voxels.source.version())

    def voxel_version(self) -> Version | None:
        """Return the version of the segments with the state of all supervoxels; None if their store cannot tell."""
        below = most_detailed_version(self._voxels.source)
        return self._version_above(below) if below.pinned or below.covers_voxels else None

    def _version_above(self, below: Version) -> Version:
        number = self._refresh()
        pinned = self._version is not None and below.pinned
        return Version(f"{number}+{below.token}", pinned=pinned, covers_voxels=below.covers_voxels)

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what has made the supervoxels, and an entry for the edits that are done in this version."""
        self._refresh()
        start = self._store.branches()[MAIN].time_s
        edits = describe_edits(
            self._lookup.operations, self._branch, self._lookup.version, self._store.labels_record(), start
        )
        return (*history_of(self._voxels.source, self._store.uri), edits)

    def add_provenance(self, one: Provenance) -> None:
        raise ReadOnly(f"{self._store.database.name}: the provenance of segments is their history")

    def _refresh(self) -> int:
        """Take note of what has happened since the last read, and return the version."""
        with self._lookup.lock, self._store.database.reading() as connection:
            self._follow(connection)
            return self._lookup.version

    @property
    def levels(self) -> Sequence[Level]:
        """Levels of the supervoxels, up to the first whose voxels are not multiples of the finest ones."""
        pyramid = ability(self._store.source, SupportsLevels)
        return () if pyramid is None else pyramid.levels[: 1 + len(coarse_levels(pyramid))]

    def level(self, number: int) -> SegmentsSource:
        require_level(self._store.database.name, number, max(1, len(self.levels)))
        return SegmentsSource(self._store, self._branch, self._version, number)

    def create_level(self, scale: Scale) -> VolumeSource:
        raise ReadOnly(f"{self._store.database.name}: levels are those of the supervoxels; export the segments first")

    def ability(self, protocol: type[A]) -> A | None:
        """Return this source as `protocol`; the abilities of the supervoxels are not those of the segments."""
        has = isinstance(self, protocol) and (protocol is not SupportsLevels or bool(self.levels))
        return cast("A", self) if has else None

    def _follow(self, connection: sa.Connection) -> None:
        """Apply what has happened since the last read."""
        self._lookup.follow(connection)
        if self._lookup.known != self._known:
            self._voxels.follow(connection)
            self._known = self._lookup.known

    def _changed_below(self, id: int, box: Box) -> InvalidInput:
        name = f"level {self._voxels.level} of {self._store.uri}" if self._store.uri else "the array"
        return changed_error(self._store.database, name, box, f"has the id {id}, which is none of its supervoxels,")


def _level(source: VolumeSource, number: int) -> VolumeSource:
    pyramid = ability(source, SupportsLevels)
    return pyramid.level(number) if number and pyramid is not None else source


def _segments_spec(spec: VolumeSpec) -> VolumeSpec:
    """Return the spec of the segments of supervoxels: ids of 64 bits, whatever type the supervoxels have."""
    return spec.replace(dtype=np.uint64, kind="labels", fill=0, encoding=None)
