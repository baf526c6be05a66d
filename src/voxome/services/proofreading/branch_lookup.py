"""Segments of the ids in the voxels of a branch or version, as a database has them now."""

from __future__ import annotations

from threading import RLock

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.services.proofreading.lookup import make_lookup
from voxome.services.proofreading.mapping import Supervoxels
from voxome.services.proofreading.operations import Operation
from voxome.services.proofreading.state import Lineage, State


class BranchLookup:
    """A look-up that follows the operations of a branch; all levels and readers of a process share one.

    Parameters
    ----------
    start : Supervoxels
        The mapping at the start.
    lineage : tuple of (str, int or None)
        Branches whose operations it has, and up to which.

    Attributes
    ----------
    lock : RLock
        Held from the begin of the transaction that `follow` reads until the voxels are replaced.
    """

    def __init__(self, start: Supervoxels, lineage: Lineage) -> None:
        self.lock = RLock()
        self._state, self._lookup = State(start, lineage), make_lookup(start)

    @property
    def known(self) -> int:
        """Last operation of any branch that it has taken note of."""
        return self._state.known

    @property
    def version(self) -> int:
        """Number of its last operation; 0 at the start."""
        return self._state.version

    @property
    def operations(self) -> list[Operation]:
        """Its operations, in order."""
        return list(self._state.log.entries)

    def follow(self, connection: sa.Connection) -> None:
        """Apply what has happened since the last call."""
        news, mapping = self._state.follow(connection), self._state.mapping
        pairs = dict(pair for one in news.operations for pair in mapping.stored_segments(one.changes))
        for id in news.stored_ids:
            pairs[id] = mapping.segment_of(mapping.supervoxel_of(id))
        self._lookup = self._lookup.updated(pairs)

    def replace(self, voxels: NDArray[np.uint64]) -> None:
        """Replace ids by their segments, in place.

        Raises
        ------
        UnknownId
            If one has no segment.
        """
        self._lookup.replace(voxels)
