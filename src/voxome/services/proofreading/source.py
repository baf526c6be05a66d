"""A volume of segments: supervoxels of another volume, with the mapping of a proofreading store."""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import ReadOnly
from voxome.geometry import Box
from voxome.services.proofreading.lookup import make_lookup
from voxome.services.proofreading.state import News
from voxome.services.proofreading.store import MAIN, ProofreadingStore, VersionLike

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
    """

    concurrent_writers = False

    def __init__(self, store: ProofreadingStore, branch: str = MAIN, version: VersionLike | None = None) -> None:
        self._store, self._fixed = store, version is not None
        self._lock, self._state = Lock(), store.state(branch, version)
        self._lookup = make_lookup(store.start)
        self._update(News(self._state.log.entries, list(self._state.tree.parents)))
        self._supervoxels = store.source
        self.spec = _segments_spec(self._supervoxels.spec)

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        voxels = _as_ids(self._supervoxels.read(box))
        with self._lock:
            self._follow()
            self._lookup.replace(voxels)
        if out is None:
            return voxels
        out[...] = voxels
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly(f"{self._store.database.name}: segments are edited by voxome.proofread, not by writing voxels")

    def version(self) -> Version:
        with self._lock:
            self._follow()
            number = self._state.version
        below = self._supervoxels.version()
        return Version(
            f"{number}+{below.token}", pinned=self._fixed and below.pinned, covers_voxels=below.covers_voxels
        )

    def ability(self, protocol: type[A]) -> A | None:
        """Return this source as `protocol`; the abilities of the supervoxels are not those of the segments."""
        return cast("A | None", self if isinstance(self, protocol) else None)

    def _follow(self) -> None:
        """Apply what has happened since the last read."""
        with self._store.database.reading() as connection:
            if not self._state.is_current(connection):
                self._update(self._state.follow(connection))

    def _update(self, news: News) -> None:
        mapping = self._state.mapping
        pairs = dict(pair for one in news.operations for pair in mapping.stored_segments(one.changes))
        for id in news.stored_ids:
            pairs[id] = mapping.segment_of(mapping.supervoxel_of(id))
        self._lookup.update(pairs.items())


def _segments_spec(spec: VolumeSpec) -> VolumeSpec:
    """Return the spec of the segments of supervoxels: ids of 64 bits, whatever type the supervoxels have."""
    return spec.replace(dtype=np.uint64, kind="labels", fill=0, encoding=None)


def _as_ids(voxels: NDArray[Any]) -> NDArray[np.uint64]:
    """Return voxels as contiguous ids that may be overwritten."""
    if voxels.dtype == np.int64:
        voxels = voxels.view(np.uint64)
    if voxels.dtype != np.uint64 or not voxels.flags.c_contiguous or not voxels.flags.writeable:
        return np.array(voxels, np.uint64, order="C")
    return voxels
