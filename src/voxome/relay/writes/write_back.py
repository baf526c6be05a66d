"""Write-back: writes go into the journal, and what is read has them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, StoreError
from voxome.geometry import Box
from voxome.relay.box_locks import SharedBoxLocks, SupportsHold
from voxome.relay.cache.generations import ENTERED, Generations, entered
from voxome.relay.origin import Origin
from voxome.relay.writes.entry import WriteEntry, layout_of
from voxome.relay.writes.frame import Voxels
from voxome.relay.writes.index import Backlog
from voxome.relay.writes.journal import Journal
from voxome.relay.writes.overlay import lay_over
from voxome.storage.hops import hops


class WriteBack:
    """Writes that are confirmed once they are in the journal. Its methods may be called from several threads.

    Parameters
    ----------
    journal : Journal
        Where they are until their stores have them.
    generations : Generations
        By which all processes see that voxels of a source have changed.
    locks : SupportsHold, optional
        Locks on boxes that are being entered, so that writes to the same voxels are confirmed in the order of the
        journal; shared by the processes of a relay, and not those that are held while stores are written.
    """

    def __init__(self, journal: Journal, generations: Generations, locks: SupportsHold | None = None) -> None:
        self.journal, self._generations = journal, generations
        self._locks: SupportsHold = SharedBoxLocks() if locks is None else locks
        self._expected: list[Origin] = []
        with _reading():
            self._watched = set(journal.index.sources())

    def watch(self, origin: Origin) -> None:
        """Expect writes of a source, which has a share of the journal as soon as its identity is known."""
        self._expected.append(origin)
        self._watch_known()

    def watches(self, source: str) -> bool:
        """Return whether there may be writes of a source that its store does not have."""
        if self._expected:
            self._watch_known()
        return source in self._watched or bool(self._expected)

    def _watch_known(self) -> None:
        """Watch the expected sources whose identity is known by now; a store may have been away."""
        for origin in [one for one in self._expected if one.is_known]:
            self._watched.add(origin.identity)
            self.journal.shares.add(origin.identity)
        self._expected = [one for one in self._expected if not one.is_known]

    def has_writes(self, source: str) -> bool:
        """Return whether there are writes of a source that its store may not have.

        Raises
        ------
        StoreError
            If the journal cannot be read.
        """
        if not self.watches(source):
            return False
        with _reading():
            return source in self.journal.index.sources()

    @property
    def nbytes(self) -> int:
        """Bytes of the journal.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        with _reading():
            return self.journal.index.nbytes

    def backlogs(self) -> Mapping[str, Backlog]:
        """Return the writes that stores do not have yet, by the identity of their source.

        Raises
        ------
        StoreError
            If the journal cannot be read.
        """
        with _reading():
            return {one.source: one for one in self.journal.index.backlogs()}

    def write(
        self,
        source: str,
        name: str,
        level: int,
        spec: VolumeSpec,
        box: Box,
        voxels: Voxels,
        around: AbstractContextManager[None],
        chunks: Iterable[str] | None,
    ) -> None:
        """Enter a write to a level of the source `name`, in a context `around` it while nobody else writes the box.

        What is computed from `chunks`, or from any if None, is not valid afterwards; they themselves are.

        Raises
        ------
        TooLargeForJournal, JournalFull, StoreError
            If it cannot be made durable; then nothing is written.
        """
        entry = WriteEntry(
            0, source, name, level, box, layout_of(spec), spec.dtype.str, voxels.where is not None, 0, 0, time.time(),
            hops(),
        )  # fmt: skip
        self._watch_known()
        written = self._generations.writing(source, [ENTERED] if chunks is None else map(entered, chunks))
        with self._locks.hold((source, level), box), around, written:
            self.journal.append(entry, voxels)

    def read(
        self, source: str, level: int, spec: VolumeSpec, box: Box, read: Callable[[Box], NDArray[Any]]
    ) -> NDArray[Any]:
        """Return the voxels of `box` after all writes.

        Parameters
        ----------
        source : str
            Identity of the source.
        level : int
            Level that is read.
        spec : VolumeSpec
            The level as it is now; writes to one of another layout are not shown.
        box : Box
            Part of its domain.
        read : function
            Returns the voxels that the store has; not called where writes have all voxels.

        Raises
        ------
        StoreError, CorruptData
            If a write that is in the box cannot be read.
        """
        layout, dtype = layout_of(spec), np.dtype(spec.dtype)
        while True:
            with _reading():  # before the store: what is replayed meanwhile is in both, and that does no harm
                queued = self.journal.index.overlapping(source, level, box)
            entries = [one.entry for one in queued if one.entry.layout == layout]
            if not entries:
                return read(box)
            try:
                return lay_over(entries, self.journal.load, box, dtype, read)
            except CorruptData:
                with _reading():
                    if all(self.journal.find(entry.number) is not None for entry in entries):
                        raise
                # else one was replayed and removed in the meantime


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the journal of writes cannot be read: {error}") from error
