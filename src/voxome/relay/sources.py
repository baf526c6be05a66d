"""The sources that a relay serves: names, rights, and the voxels behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Ability, SupportsPinnedVersions
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox, InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.relay.access_log import note
from voxome.relay.box_locks import SharedBoxLocks, SupportsHold
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.counters import SourceCounters, exposition
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.states import SourceStates
from voxome.relay.cache.status import record
from voxome.relay.kept_files import KeptFiles
from voxome.relay.memory import chunk_bytes, written_bytes
from voxome.relay.source_entry import ReadableSource
from voxome.relay.source_errors import hold_memory, open_errors, store_errors
from voxome.relay.source_facts import SourceFacts
from voxome.relay.source_reads import SourceReader, use_ability
from voxome.relay.source_table import SourceTable
from voxome.relay.source_writes import SourceWriter
from voxome.relay.upstream import Upstream
from voxome.relay.virtual.slots import ComputeSlots
from voxome.relay.virtual.variants import Setting
from voxome.relay.writes.frame import Voxels
from voxome.relay.writes.journal import Journal
from voxome.relay.writes.replay import Replay
from voxome.relay.writes.write_back import WriteBack

T = TypeVar("T")


class Sources(SourceTable):
    """Sources by name, read-only unless writers are named. Its methods may be called from several threads.

    Errors of the store behind a source are raised as `SourceUnavailable`, whose message names the source only: clients
    learn nothing about paths and hosts; the cause is for the log.

    Parameters
    ----------
    cache : ChunkCache, optional
        Cache of the sources behind a network, and of others whose `Caching` wants it.
    locks : SupportsHold, optional
        Locks on boxes that are written, shared with the other processes of the relay; None if there are none.
    journal : Journal, optional
        Where writes are until the stores of sources with `write_back` have them; `replay` is for its flusher.
    entering : SupportsHold, optional
        Locks on boxes of writes that are put into the journal, shared like `locks`.
    slots : ComputeSlots, optional
        Bound on what is computed at the same time for virtual layers.

    Attributes
    ----------
    facts : SourceFacts
        What only stores can tell of their sources.
    kept_files : KeptFiles
        Files of chunks of the sources that are in memory.

    Examples
    --------
    >>> import voxome
    >>> created = voxome.create("memory://served", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> sources = Sources()
    >>> sources.add("lab/em", "memory://served")
    >>> sources.read("lab/em", Box((0, 0, 0), (1, 2, 2))).tolist()
    [[[0, 0], [0, 0]]]
    """

    def __init__(
        self,
        cache: ChunkCache | None = None,
        locks: SupportsHold | None = None,
        journal: Journal | None = None,
        entering: SupportsHold | None = None,
        slots: ComputeSlots | None = None,
    ) -> None:
        generations = Generations() if cache is None else cache.generations
        states = SourceStates(generations, None if cache is None or cache.disk is None else cache.disk.index)
        writes = None if journal is None else WriteBack(journal, generations, entering)
        super().__init__(generations, states, SourceReader(cache, writes), writes, slots or ComputeSlots())
        self._locks: SupportsHold = SharedBoxLocks() if locks is None else locks
        self._writer = SourceWriter(generations, self._locks, writes, self._reader)
        self._listeners: list[Callable[[str, int], None]] = []
        self.facts = SourceFacts(self.find, self.names_of, states.metadata)
        self.kept_files = KeptFiles(cache, self._upstreams, self._layers, writes)

    def on_write(self, listener: Callable[[str, int], None]) -> None:
        """Call `listener` before and after each write, with the names of all sources that it changes, and the level.

        Before, because the process may be killed in between; after, for what others did in between, also if the write
        fails, or ends when its request has been given up.
        """
        self._listeners.append(listener)

    def level_count(self, name: str) -> int:
        """Return the number of levels of a source: 1 without a pyramid."""
        entry = self.find(name)
        with open_errors(name):
            return entry.level_count()

    def spec(self, name: str, *, level: int = 0) -> VolumeSpec:
        """Return the shape and meaning of a source, or of a level of its pyramid.

        Raises
        ------
        NotFound
            If no source has this name, or it has no such level.
        """
        return self._level(name, level).spec

    def read(self, name: str, box: Box, *, level: int = 0, cached: bool = True) -> NDArray[Any]:
        """Return the voxels of `box`, in the coordinates of the level; the array may not be writable.

        Unless `cached`, they are read from the store, and not kept; those of virtual layers are cached always.

        Raises
        ------
        InvalidBox
            If the box leaves the domain.
        NotFound
            If no source has this name, or it has no such level.
        SourceUnavailable
            If the store behind the source fails.
        """
        spec = self._level(name, level).spec
        _check_box(name, box, spec)
        hold_memory(box.size * spec.dtype.itemsize + (chunk_bytes(spec) if box.size else 0))
        entry = self.find(name)
        with store_errors(name, "read"):
            voxels = self._reader.read(entry, box, level, cached=cached)
        if self._reader.is_cached(entry) and entry.is_overdue:
            record("stale")
        entry.counters.add("read_bytes", voxels.nbytes)
        return voxels

    def read_at_hand(self, name: str, box: Box, *, level: int = 0) -> NDArray[Any] | None:
        """Return the voxels of a box that is not empty if no store behind it has to be read, else None.

        They are in the cache, in the journal of writes, or in a file of this machine.

        Raises
        ------
        InvalidBox
            If the box leaves the domain.
        NotFound
            If no source has this name, or it has no such level.
        SourceUnavailable
            If its metadata, or what is at hand, cannot be read.
        """
        entry = self.find(name)
        if entry.is_at_hand and not self._reader.is_cached(entry):
            return self.read(name, box, level=level)
        spec = self._level(name, level).spec
        _check_box(name, box, spec)
        with store_errors(name, "read"):
            return self._reader.read_at_hand(entry, box, level, spec)

    def write(
        self,
        name: str,
        box: Box,
        data: NDArray[Any],
        *,
        level: int = 0,
        where: NDArray[np.bool_] | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Write the voxels of `box`, in the coordinates of the level.

        Voxels that were cached or are being fetched are never served afterwards; writes to one chunk wait for each
        other. With `write_back` the write is on the disk of the relay afterwards, and its store gets it later; so it
        is while earlier writes to the same volume wait for that.

        Parameters
        ----------
        name : str
            Name of the source.
        box : Box
            Where the voxels are.
        data : array
            Voxels of `box`, of the source's dtype.
        level : int
            Level of the pyramid.
        where : array of bool, optional
            Voxels of `box` that are written; the others keep what the store has when these are written.
        check : function, optional
            Called while nobody else writes the box; nothing is written if it raises.

        Raises
        ------
        InvalidBox
            If the box leaves the domain.
        InvalidInput
            If `data` has another shape than the box, or another dtype than the source, or its chunks or
            shards are too large.
        ReadOnly
            If the source has no writers.
        SourceUnavailable
            If the store behind it fails; `StorageFull` if the write cannot be made durable here.
        """
        entry, source = self.find(name), self._level(name, level)
        if not entry.rights.writers or not isinstance(entry, Upstream) or not isinstance(source, VolumeSource):
            raise ReadOnly(f"{name} is served read-only")
        _check_box(name, box, source.spec)
        if data.shape != box.shape or data.dtype != source.spec.dtype:
            raise InvalidInput(
                f"{name} cannot store {data.dtype} voxels of shape {data.shape} in box {box}: "
                f"send {source.spec.dtype} voxels of shape {box.shape}"
            )
        if box.empty or (where is not None and check is None and not where.any()):
            return
        needed = written_bytes(source.spec)  # which must not be too much, now or when the journal is replayed
        if not entry.write_back:
            hold_memory(data.nbytes + needed)

        @contextmanager
        def telling() -> Iterator[None]:
            if check is not None:
                check()
            self._tell(entry.identity, level)
            try:
                yield
            finally:
                self._tell(entry.identity, level)

        self._writer.write(name, entry, source, level, box, Voxels(data, where), telling())

    def version(self, name: str) -> str:
        """Return a text that changes with each write, and when the source is replaced or may have changed.

        It is the same in all processes of a relay, and after a restart.

        Raises
        ------
        NotFound
            If no source has this name.
        SourceUnavailable
            If the store behind the source fails.
        """
        entry = self.find(name)
        with open_errors(name):
            return entry.version(self._generations)

    def renew(self, name: str) -> None:
        """Fetch all voxels of a source again when they are read: its store has changed some on request.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        with self._generations.writing(self.find(name).identity, None):
            pass

    def counters(self, name: str) -> SourceCounters:
        """Return the counters of a source, or of all volumes of a store.

        Raises
        ------
        NotFound
            If no source or store has this name.
        """
        return self._store_counters[name] if name in self._store_counters else self.find(name).counters

    def metrics(self, names: Iterable[str]) -> str:
        """Return counters of sources and stores, over all processes of the relay, in the text format of Prometheus."""
        return exposition({name: self.counters(name).totals() for name in names})

    def use(self, name: str, protocol: type[Ability], action: Callable[[Ability], T]) -> T | None:
        """Return what `action` does with an ability of a source; None if the source does not have it.

        Raises
        ------
        NotFound
            If no source has this name, or the action looks for something that does not exist.
        SourceUnavailable
            If the store behind the source fails.
        """
        note(source=name)
        return use_ability(name, self.find(name), protocol, action)

    def current_version(self, name: str) -> str | None:
        """Return the name of the version now of a source whose voxels change by edits; None if it is no such source.

        ``NAME@VERSION`` is a source that never changes, with the readers of `name`.
        """
        return self.use(name, SupportsPinnedVersions, lambda source: source.current_version())

    def settings(self, name: str) -> tuple[Setting, ...]:
        """Return the parameters that clients may change in the name of a virtual layer, with their values.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        entry = self.find(name)
        with open_errors(name):
            return entry.settings()

    def replay(self) -> Replay:
        """Return what replays the journal into the stores of these sources."""
        if self._writes is None:
            raise InvalidInput("these sources have no journal")
        return Replay(self._writes.journal, self.find_writable, self._locks, self._generations, self._reader)

    @property
    def writes(self) -> WriteBack | None:
        """Writes that are confirmed before the stores have them; None without a journal."""
        return self._writes

    def _tell(self, identity: str, level: int) -> None:
        for name in self.names_of(identity):
            for listener in self._listeners:
                listener(name, level)

    def _level(self, name: str, level: int) -> ReadableSource:
        entry = self.find(name)
        note(source=name)
        with open_errors(name):
            source = entry.open_level(level)
        if source is None:
            raise NotFound(f"{name} has no level {level}: its levels are 0 to {self.level_count(name) - 1}")
        return source


def _check_box(name: str, box: Box, spec: VolumeSpec) -> None:
    if box.ndim != spec.domain.ndim or box not in spec.domain:
        raise InvalidBox(f"box {box} is not inside {name}, which is {spec.domain} ({', '.join(spec.axes)})")
