"""Replay of writes: from the journal into the store behind a source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voxome.contracts.read_cost import chunk_origin
from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.relay.box_locks import SupportsHold
from voxome.relay.cache.generations import Generations
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
    """

    def __init__(
        self,
        journal: Journal,
        upstream_of: Callable[[str], Upstream],
        locks: SupportsHold,
        generations: Generations,
    ) -> None:
        self.journal, self._upstream_of = journal, upstream_of
        self._locks, self._generations = locks, generations

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
            chunks = upstream.chunks_under(box, first.level)
            with self._locks.hold((first.source, first.level), written_box(source, box)):
                source.write(box, lay_over(entries, self.journal.load, box, source.spec.dtype, source.read))
                upstream.origin.sync()  # before the journal forgets it
            # What is cached is valid up to here, also if the write fails: the journal hides the voxels of the write.
            with self._generations.writing(first.source, chunks):
                pass
            upstream.counters.add("written_bytes", sum(entry.voxel_bytes for entry in entries))

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
