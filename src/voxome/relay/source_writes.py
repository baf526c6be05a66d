"""Writes to a source: into its store, or first into the journal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import Event

import numpy as np

from voxome.contracts.source import VolumeSource
from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay.box_locks import SupportsHold
from voxome.relay.cache.generations import Generations
from voxome.relay.source_errors import SourceUnavailable, journal_errors, store_errors
from voxome.relay.source_reads import SourceReader
from voxome.relay.upstream import Upstream
from voxome.relay.writes.frame import Voxels
from voxome.relay.writes.replay import written_box
from voxome.relay.writes.write_back import WriteBack


class SourceWriter:
    """Writes voxels of sources, after which nothing older is served.

    Parameters
    ----------
    generations : Generations
        By which what is cached becomes invalid.
    locks : SupportsHold
        Locks on boxes that are written.
    writes : WriteBack or None
        The journal, for sources whose writes are confirmed before their stores have them.
    reader : SourceReader
        Has the cache, which knows chunks that were written when their store cannot be read afterwards.
    """

    def __init__(
        self, generations: Generations, locks: SupportsHold, writes: WriteBack | None, reader: SourceReader
    ) -> None:
        self._generations, self._locks, self._writes, self._reader = generations, locks, writes, reader

    def write(
        self,
        name: str,
        entry: Upstream,
        source: VolumeSource,
        level: int,
        box: Box,
        voxels: Voxels,
        around: AbstractContextManager[None],
    ) -> None:
        """Write the voxels of a box, into the journal while earlier writes to the volume wait there.

        Parameters
        ----------
        name : str
            Name of the source.
        entry : Upstream
            The source.
        source : VolumeSource
            Its level.
        level : int
            Number of the level.
        box : Box
            Where the voxels are, in the coordinates of the level.
        voxels : Voxels
            The voxels.
        around : context manager
            Entered while nobody else writes the box, and left when the write has ended, if that is after its request
            too; nothing is written if it raises.

        Raises
        ------
        InvalidInput
            If the store refuses the box.
        SourceUnavailable
            If it fails; `StorageFull` if the write cannot be made durable here.
        """
        if self._writes is not None and self._is_entered(self._writes, name, entry):
            try:
                chunks = entry.chunks_under(box, level)
            except StoreError:  # only the store knows which levels there are, and it is away: any chunk may change
                chunks = None
            with journal_errors(name):
                self._writes.write(entry.identity, name, level, source.spec, box, voxels, around, chunks)
            return
        data, where = voxels.data, voxels.where
        with store_errors(name, "written"):
            chunks, array = entry.chunks_under(box, level), self._reader.array(entry, level)

        def write(given_up: Event) -> None:
            with self._locks.hold((entry.identity, level), written_box(source, box)), entry.guard():
                if given_up.is_set():
                    return  # newer writes may be confirmed already
                replaced = None if array is None else self._reader.replaced(array, box, is_alone=False)
                with around, store_errors(name, "written"):
                    with self._generations.writing(entry.identity, chunks):
                        written = data if where is None or where.all() else np.where(where, data, source.read(box))
                        if given_up.is_set():
                            return
                        source.write(box, written)
                        entry.origin.sync()
                    if replaced is not None:
                        replaced.keep(written)

        try:
            entry.write(write)  # who holds a lock waits for no slot, which others may have
        except SourceUnavailable:
            raise
        except (StoreError, TimeoutError):  # of a store that does not answer, or for which too many wait
            with store_errors(name, "written"):
                raise
        entry.counters.add("written_bytes", data.nbytes)

    def _is_entered(self, writes: WriteBack, name: str, entry: Upstream) -> bool:
        if entry.write_back:
            return True
        with journal_errors(name):
            return writes.has_writes(entry.identity)  # which must be replayed before
