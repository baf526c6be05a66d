"""Replay of writes: from the journal into the store behind a source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from voxome.contracts.read_cost import chunk_origin
from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput, NotFound, ReadOnly, StoreError
from voxome.geometry import Box
from voxome.relay.box_locks import SupportsHold
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.replaced import covered
from voxome.relay.source_reads import SourceReader
from voxome.relay.upstream import Upstream
from voxome.relay.writes.entry import WriteEntry, layout_of
from voxome.relay.writes.journal import Journal
from voxome.relay.writes.overlay import lay_over
from voxome.storage.hops import through


class Replay:
    """Replays writes as they were made: in the same boxes and masks, under the same locks as writes of clients.

    Parameters
    ----------
    journal : Journal
        Has the voxels.
    upstream_of : function
        Returns the source of an identity, writable.
    locks : SupportsHold
        Locks on boxes that are written.
    generations : Generations
        By which what is cached of the store becomes invalid.
    reader : SourceReader
        Has the cache, which knows what was written when the store cannot be read afterwards.
    """

    def __init__(
        self,
        journal: Journal,
        upstream_of: Callable[[str], Upstream],
        locks: SupportsHold,
        generations: Generations,
        reader: SourceReader,
    ) -> None:
        self.journal, self._upstream_of = journal, upstream_of
        self._locks, self._generations, self._reader = locks, generations, reader

    def reach(self, entry: WriteEntry) -> Box:
        """Return all voxels that the store may write again with a write.

        Raises
        ------
        VoxomeError, OSError
            If the source cannot be opened, or is another than it was.
        """
        with through(entry.hops):
            return written_box(self._source(entry), entry.box)

    def write(self, entries: Sequence[WriteEntry]) -> None:
        """Write what is in the voxels of some writes to one level, in order, in one write to the store.

        A store on this machine then has them on its disk.

        Raises
        ------
        ReadOnly, InvalidInput, AccessDenied
            If the store refuses it, or is another than it was.
        VoxomeError, OSError
            If it fails.
        """
        first = entries[0]
        box = hull([entry.box for entry in entries])
        with through(first.hops):
            upstream, source = self._upstream_of(first.source), self._source(first)
            chunks, array = upstream.chunks_under(box, first.level), self._reader.array(upstream, first.level)
            held = written_box(source, box if array is None else covered(array, box))
            with self._locks.hold((first.source, first.level), held), upstream.guard():
                replaced = None if array is None else self._reader.replaced(array, box, is_alone=True)
                voxels = self._write(upstream, source, entries, box)
                # What is cached is valid up to here, also if the write fails: the journal hides its voxels.
                with self._generations.writing(first.source, chunks):
                    pass
                unknown = [] if replaced is None else replaced.keep(voxels)
            if array is not None and unknown:
                self._reader.fetch_ahead(upstream, array, unknown)
            upstream.counters.add("written_bytes", sum(entry.voxel_bytes for entry in entries))

    def _write(self, upstream: Upstream, source: VolumeSource, entries: Sequence[WriteEntry], box: Box) -> NDArray[Any]:
        """Write what is in the voxels of writes, and return it for the whole box."""
        try:
            voxels = lay_over(entries, self.journal.load, box, source.spec.dtype, source.read)
            source.write(box, voxels)
            upstream.origin.sync()  # before the journal forgets it
        except (StoreError, OSError) as error:
            upstream.counters.observe_error(error)
            raise
        upstream.counters.observe_success()
        return voxels

    def _source(self, entry: WriteEntry) -> VolumeSource:
        source = self._upstream_of(entry.source).open_level(entry.level)
        if source is None:
            raise NotFound(f"level {entry.level} no longer exists")
        if not isinstance(source, VolumeSource):
            raise ReadOnly("the store can no longer be written")
        found = layout_of(source.spec)
        if found != entry.layout:
            raise InvalidInput(
                f"the volume was replaced: it is {found}, and was {entry.layout} when the write was made; "
                "export the write, or discard it"
            )
        return source


def written_box(source: VolumeSource, box: Box) -> Box:
    """Return all voxels that a store may write again when `box` is written: whole chunks or shards."""
    spec = source.spec
    if spec.write_chunk is None:
        return spec.domain
    first = chunk_origin(source)
    return box.shift([-n for n in first]).snap(spec.write_chunk).shift(first)


def hull(boxes: Sequence[Box]) -> Box:
    """Return the smallest box with all `boxes`.

    Examples
    --------
    >>> str(hull([Box((0, 5), (2, 6)), Box((1, 1), (3, 2))]))
    '0:3,1:6'
    """
    starts, stops = zip(*((box.start, box.stop) for box in boxes), strict=True)
    return Box(tuple(map(min, zip(*starts, strict=True))), tuple(map(max, zip(*stops, strict=True))))
