"""The sources that a relay serves: names, rights, and the voxels behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Ability, SupportsPinnedVersions, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import (
    AlreadyExists,
    CorruptData,
    InvalidBox,
    InvalidInput,
    NotFound,
    ReadOnly,
    StoreError,
)
from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks
from voxome.relay.access_log import note
from voxome.relay.box_locks import SupportsHold
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.counters import SourceCounters, exposition
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.states import SourceStates
from voxome.relay.cache.status import record
from voxome.relay.rights import PUBLIC_READ, Rights, shared_rights
from voxome.relay.source_errors import SourceUnavailable, hold_memory, journal_errors, open_errors, store_errors
from voxome.relay.source_names import base_name, check_source_name, is_source_name, key_in, split_variant, split_version
from voxome.relay.stores.store import Store
from voxome.relay.stores.volumes import StoreVolumes
from voxome.relay.upstream import CACHE_REMOTE, Caching, Guard, ReadableSource, Upstream
from voxome.relay.virtual.recipe import Recipe, check_recipe
from voxome.relay.virtual.slots import ComputeSlots
from voxome.relay.virtual.upstream import VirtualUpstream
from voxome.relay.virtual.variants import Setting
from voxome.relay.writes.frame import Voxels
from voxome.relay.writes.journal import Journal
from voxome.relay.writes.replay import Replay, written_box
from voxome.relay.writes.write_back import WriteBack

_MOST_VERSIONS = 32
"""Versions of sources that are open at the same time."""

T = TypeVar("T")


class _NotAtHand(Exception):
    """The store behind a source has to be read."""


class Sources:
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
        self._cache = cache
        self._slots = slots or ComputeSlots()
        self._generations = Generations() if cache is None else cache.generations
        self._states = SourceStates(
            self._generations, None if cache is None or cache.disk is None else cache.disk.index
        )
        self._entries: dict[str, Upstream | VirtualUpstream] = {}
        self._written_back: set[str] = set()
        self._stores: dict[str, StoreVolumes] = {}
        self._locks: SupportsHold = BoxLocks() if locks is None else locks
        self._versions: dict[tuple[str, str], Upstream] = {}
        self._versions_lock = Lock()
        self._writes = None if journal is None else WriteBack(journal, self._generations, entering)
        self._listeners: list[Callable[[str, int], None]] = []

    def add(
        self,
        name: str,
        source: str | ReadableSource,
        rights: Rights = PUBLIC_READ,
        caching: Caching = CACHE_REMOTE,
        counters: SourceCounters | None = None,
        *,
        write_back: bool = False,
    ) -> None:
        """Serve `source` as `name`.

        Parameters
        ----------
        name : str
            Parts of letters, digits, ``_``, ``-`` and ``.``, separated by ``/``.
        source : str or ReadableSource
            A URI, opened when it is first used, or an object with `spec` and `read`.
        rights : Rights
            Who may read and write it.
        caching : Caching
            How it is cached, if there is a cache.
        counters : SourceCounters, optional
            Counters of its reads.
        write_back : bool
            Whether writes are confirmed when they are in the journal, before the store has them.

        Raises
        ------
        InvalidInput
            If the name is invalid, an object that cannot be written has writers, or there is no journal to write back
            from.
        AlreadyExists
            If another source has this name.
        """
        self._require_new(name)
        if rights.writers and not (isinstance(source, str) or ability(source, VolumeSource) is not None):
            raise InvalidInput(f"the source {name} cannot be written; leave out its writers")
        if write_back and self._writes is None:
            raise InvalidInput(f"writes to {name} need a journal, which is in the cache folder; set cache.folder")
        entry = self._entries[name] = Upstream(source, rights, caching, self._states, counters or SourceCounters())
        if write_back and self._writes is not None:
            self._writes.watch(entry.identity)
            self._written_back.add(name)

    def current_version(self, name: str) -> str | None:
        """Return the name of the version now of a source whose voxels change by edits; None if it is no such source.

        ``NAME@VERSION`` is a source that never changes, with the readers of `name`.
        """
        return self.use(name, SupportsPinnedVersions, lambda source: source.current_version())

    def on_write(self, listener: Callable[[str, int], None]) -> None:
        """Call `listener` after each write, with the names of all sources that it has changed, and the level."""
        self._listeners.append(listener)

    def add_virtual(
        self,
        name: str,
        recipe: Recipe,
        rights: Rights | None = None,
        caching: Caching = CACHE_REMOTE,
        counters: SourceCounters | None = None,
    ) -> None:
        """Serve a tool over sources as `name`; ``NAME;PARAMETER=VALUE`` is a variant of it.

        Parameters
        ----------
        name : str
            As for `add`.
        recipe : Recipe
            Tool, inputs, parameters and output. An input that names no source is the address of a volume or table.
        rights : Rights, optional
            Who may read it; by default those who may read all its inputs.
        caching : Caching
            Whether it is cached; by default it is, if there is a cache.
        counters : SourceCounters, optional
            Counters of its reads.

        Raises
        ------
        InvalidInput
            If the name or the recipe is invalid, the tool cannot be computed a chunk at a time, or nobody may read all
            inputs.
        AlreadyExists
            If another source has this name.
        """
        self._require_new(name)
        if rights is not None and rights.writers:
            raise InvalidInput(f"the virtual layer {name} cannot be written; leave out its writers")
        checked = check_recipe(name, recipe)
        inputs = {one: self._input(address) for one, address in checked.volumes.items()}
        allowed = shared_rights(name, [one.rights for one in inputs.values()]) if rights is None else rights
        self._entries[name] = VirtualUpstream(
            name, checked, inputs, self._read, allowed, caching, counters or SourceCounters(), self._slots
        )

    def check_local_layers(self) -> None:
        """Check the virtual layers all of whose inputs are on this machine.

        Raises
        ------
        InvalidInput, VoxomeError, OSError
            If the tool of one cannot take its inputs.
        """
        for entry in self._entries.values():
            if isinstance(entry, VirtualUpstream) and entry.is_local:
                entry.open()

    def add_store(self, name: str, folder: Path, rights: Rights) -> None:
        """Let clients keep objects in a folder; a volume that they create there, at PATH, is the source ``NAME/PATH``.

        Such sources are in no list; they are found when they are needed.

        Parameters
        ----------
        name : str
            A name, as one of a source.
        folder : Path
            The folder, on this machine.
        rights : Rights
            Who may read and write all of it.

        Raises
        ------
        InvalidInput
            If the name is invalid.
        AlreadyExists
            If a source or store has this name, or one that begins with it.
        """
        check_source_name(name)
        for other in (*self._entries, *self._stores):
            if f"{other}/".startswith(f"{name}/") or f"{name}/".startswith(f"{other}/"):
                raise AlreadyExists(f"the store {name} and {other} would have names in common; choose another name")

        def open_upstream(uri: str, rights: Rights, guard: Guard) -> Upstream:
            return Upstream(uri, rights, CACHE_REMOTE, self._states, SourceCounters(), guard)

        self._stores[name] = StoreVolumes(name, folder, rights, open_upstream, self._generations, self._states)

    @property
    def stores(self) -> Mapping[str, Store]:
        """Stores by name."""
        return {name: volumes.store for name, volumes in self._stores.items()}

    def find_store(self, path: str) -> tuple[Store, str] | None:
        """Return the store in which an object ``NAME/KEY`` is, with its key; None if none has this name."""
        for name, volumes in self._stores.items():
            key = key_in(name, path)
            if key is not None:
                return volumes.store, key
        return None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all sources but those in stores, in order, without variants."""
        return iter(sorted(self._entries))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        base, changes = split_variant(name)
        if changes is not None:
            return "/" not in changes and isinstance(self._entries.get(base), VirtualUpstream)
        base = split_version(name)[0]
        return base in self._entries or self._in_store(base) is not None

    def rights(self, name: str) -> Rights:
        """Return who may read and write a source; the parameters of a variant are not checked, see `check_name`.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        base = base_name(name)
        entry = self._entries.get(base) or self._in_store(base)
        if entry is None or name not in self:
            raise NotFound(f"no source {name} is served")
        rights = entry.rights
        return rights if split_version(name)[1] is None else Rights(rights.readers)

    def check_name(self, name: str) -> None:
        """Check the parameters in the name of a variant.

        Raises
        ------
        InvalidInput
            If one does not exist, cannot be changed, or has a wrong value.
        """
        if split_variant(name)[1] is not None:
            self._entry(name)

    def level_count(self, name: str) -> int:
        """Return the number of levels of a source: 1 without a pyramid."""
        entry = self._entry(name)
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

    def read(self, name: str, box: Box, *, level: int = 0) -> NDArray[Any]:
        """Return the voxels of `box`, in the coordinates of the level; the array may not be writable.

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
        hold_memory(box.size * spec.dtype.itemsize)
        entry = self._entry(name)
        with store_errors(name, "read"):
            voxels = self._read(entry, box, level)
        if self._is_cached(entry) and entry.is_overdue:
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
        entry = self._entry(name)
        if entry.is_at_hand and not self._is_cached(entry):
            return self.read(name, box, level=level)
        spec = self._level(name, level).spec
        _check_box(name, box, spec)

        def read_cache(part: Box) -> NDArray[Any]:
            array = entry.array(level) if self._is_cached(entry) else None
            found = None if self._cache is None or array is None else self._cache.read_at_hand(array, part)
            if found is None:
                raise _NotAtHand
            return found

        with store_errors(name, "read"), suppress(_NotAtHand):
            if self._writes is None or not self._writes.has_writes(entry.identity):
                return read_cache(box)
            return self._writes.read(entry.identity, level, spec, box, read_cache)
        return None

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
            If `data` has another shape than the box, or another dtype than the source.
        ReadOnly
            If the source has no writers.
        SourceUnavailable
            If the store behind it fails; `StorageFull` if the write cannot be made durable here.
        """
        entry, source = self._entry(name), self._level(name, level)
        if not entry.rights.writers or isinstance(entry, VirtualUpstream) or not isinstance(source, VolumeSource):
            raise ReadOnly(f"{name} is served read-only")
        _check_box(name, box, source.spec)
        if data.shape != box.shape or data.dtype != source.spec.dtype:
            raise InvalidInput(
                f"{name} cannot store {data.dtype} voxels of shape {data.shape} in box {box}: "
                f"send {source.spec.dtype} voxels of shape {box.shape}"
            )
        if box.empty or (where is not None and check is None and not where.any()):
            return
        if self._writes is not None and self._is_entered(self._writes, name):
            with store_errors(name, "written"):
                chunks = entry.chunks_under(box, level)
            with journal_errors(name):
                self._writes.write(entry.identity, name, level, source.spec, box, Voxels(data, where), check, chunks)
            self._notify(entry, level)
            return
        with ExitStack() as stack:
            with store_errors(name, "written"):
                chunks = entry.chunks_under(box, level)
                stack.enter_context(entry.waiting())  # whoever holds a lock waits for no slot, which others may have
                stack.enter_context(self._locks.hold((entry.identity, level), written_box(source, box)))
                stack.enter_context(entry.guard())
            if check is not None:
                check()
            with store_errors(name, "written"), self._generations.writing(entry.identity, chunks):
                source.write(box, data if where is None or where.all() else np.where(where, data, source.read(box)))
        entry.counters.add("written_bytes", data.nbytes)
        self._notify(entry, level)

    def _notify(self, entry: Upstream, level: int) -> None:
        for name in [one for one, its in self._entries.items() if its.identity == entry.identity]:
            for listener in self._listeners:
                listener(name, level)

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
        entry = self._entry(name)
        with open_errors(name):
            return entry.version(self._generations)

    def counters(self, name: str) -> SourceCounters:
        """Return the counters of a source.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        return self._entry(name).counters

    def metrics(self, names: Iterable[str]) -> str:
        """Return counters of some sources, over all processes of the relay, in the text format of Prometheus."""
        return exposition({name: self._entries[name].counters.totals() for name in names})

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
        source = self._open(name)
        try:
            with store_errors(name, "read"):
                provided = ability(source, protocol)
                if provided is None:
                    return None
                with self._entry(name).waiting():
                    return action(provided)
        except SourceUnavailable as error:
            if isinstance(error.__cause__, NotFound):
                raise NotFound(f"the source {name} has nothing of this id") from error
            raise

    def settings(self, name: str) -> tuple[Setting, ...]:
        """Return the parameters that clients may change in the name of a virtual layer, with their values.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        entry = self._entry(name)
        with open_errors(name):
            return entry.settings() if isinstance(entry, VirtualUpstream) else ()

    def replay(self) -> Replay:
        """Return what replays the journal into the stores of these sources."""
        if self._writes is None:
            raise InvalidInput("these sources have no journal")
        return Replay(self._writes.journal, self._writable, self._locks, self._generations)

    @property
    def writes(self) -> WriteBack | None:
        """Writes that are confirmed before the stores have them; None without a journal."""
        return self._writes

    def identity(self, name: str) -> str:
        """Return the identity of a source, which is the same for all names of a volume.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        return self._entry(name).identity

    def _is_entered(self, writes: WriteBack, name: str) -> bool:
        if name in self._written_back:
            return True
        with journal_errors(name):
            return writes.has_writes(self._entry(name).identity)  # which must be replayed before

    def _writable(self, identity: str) -> Upstream:
        for entry in self._entries.values():
            if isinstance(entry, Upstream) and entry.rights.writers and entry.identity == identity:
                return entry
        raise NotFound("no writable source of the relay has this address any more; serve it again to replay the write")

    def _read(self, entry: Upstream | VirtualUpstream, box: Box, level: int) -> NDArray[Any]:
        try:
            return self._read_once(entry, box, level)
        except (CorruptData, NotFound):
            if not entry.check():
                raise
            return self._read_once(entry, box, level)  # the source was replaced; its metadata were the old ones

    def _read_once(self, entry: Upstream | VirtualUpstream, box: Box, level: int) -> NDArray[Any]:
        if self._writes is None or box.empty or not self._writes.has_writes(entry.identity):
            return self._read_store(entry, box, level)
        source = entry.open_level(level)
        if source is None:
            raise StoreError(f"level {level} no longer exists")
        record("hit")  # by the journal; what the store has to add is recorded too
        return self._writes.read(
            entry.identity, level, source.spec, box, lambda part: self._read_store(entry, part, level)
        )

    def _read_store(self, entry: Upstream | VirtualUpstream, box: Box, level: int) -> NDArray[Any]:
        array = entry.array(level) if self._is_cached(entry) and not box.empty else None
        if self._cache is not None and array is not None:
            voxels = self._cache.read(array, box)
            if entry.prefetches:
                self._cache.note_read(array, box)
            return voxels
        source = entry.open_level(level)
        if source is None:
            raise StoreError(f"level {level} no longer exists")
        record("bypass")
        try:
            return entry.read(source, box)
        except (StoreError, OSError) as error:
            entry.counters.observe_error(error)
            raise

    def _is_cached(self, entry: Upstream | VirtualUpstream) -> bool:
        return self._cache is not None and entry.is_cached

    def _entry(self, name: str) -> Upstream | VirtualUpstream:
        """Return a source, a version of it, or a variant of a virtual layer."""
        base, changes = split_variant(name)
        if changes is not None and "/" not in changes:  # which is a file of a variant
            entry = self._entries.get(base)
            if isinstance(entry, VirtualUpstream):
                return entry.variant(changes)
        base, version = split_version(name)
        entry = self._entries.get(base) or self._in_store(base)
        if entry is None:
            raise NotFound(f"no source {name} is served")
        return entry if version is None else self._version_entry(base, version)

    def _version_entry(self, name: str, version: str) -> Upstream:
        """Return a version of a source; the last ones are kept open."""
        with self._versions_lock:
            if (name, version) in self._versions:
                self._versions[name, version] = entry = self._versions.pop((name, version))
                return entry
        pinned = self.use(name, SupportsPinnedVersions, lambda source: source.at_version(version))
        if pinned is None:
            raise NotFound(f"the source {name} has no versions")
        base = self._entry(name)
        entry = Upstream(pinned, Rights(base.rights.readers), base.caching, self._states, base.counters)
        with self._versions_lock:
            while len(self._versions) >= _MOST_VERSIONS:
                del self._versions[next(iter(self._versions))]
            return self._versions.setdefault((name, version), entry)

    def _input(self, address: str) -> Upstream | VirtualUpstream:
        """Return the source of this name, or else of this address, as an input of a virtual layer."""
        entry = self._entries.get(address)
        if entry is None:
            entry = Upstream(address, PUBLIC_READ, CACHE_REMOTE, self._states, SourceCounters())
        if isinstance(entry, Upstream):
            stored = (one for one in self._entries.values() if isinstance(one, Upstream))
            for one in (entry, *stored):  # other names of one volume have one state, and so look for the same changes
                one.is_input = one.is_input or one.identity == entry.identity
        return entry

    def _require_new(self, name: str) -> None:
        check_source_name(name)
        if name in self._entries or any(f"{name}/".startswith(f"{store}/") for store in self._stores):
            raise AlreadyExists(f"a source {name} is already served; choose another name")

    def _in_store(self, name: str) -> Upstream | None:
        for store, volumes in self._stores.items():
            key = key_in(store, name)
            if key is not None and is_source_name(name):
                return volumes.find(key)
        return None

    def _open(self, name: str) -> ReadableSource:
        entry = self._entry(name)
        with open_errors(name):
            return entry.open()

    def _level(self, name: str, level: int) -> ReadableSource:
        entry = self._entry(name)
        note(source=name)
        with open_errors(name):
            source = entry.open_level(level)
        if source is None:
            raise NotFound(f"{name} has no level {level}: its levels are 0 to {self.level_count(name) - 1}")
        return source


def _check_box(name: str, box: Box, spec: VolumeSpec) -> None:
    if box.ndim != spec.domain.ndim or box not in spec.domain:
        raise InvalidBox(f"box {box} is not inside {name}, which is {spec.domain} ({', '.join(spec.axes)})")
