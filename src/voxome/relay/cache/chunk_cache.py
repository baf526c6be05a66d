"""Reads through the cache: chunks from memory or disk, or fetched once for all who wait for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from itertools import islice
from threading import Lock
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxome.errors import AccessDenied, CorruptData, InvalidBox, NotFound, RelayLoop, StoreError
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.disk import DiskTier
from voxome.relay.cache.entry import CachedChunk
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.leases import Leases
from voxome.relay.cache.memory import MemoryTier
from voxome.relay.cache.prefetch import ROOM, WITHIN_FETCH, Prefetcher
from voxome.relay.cache.status import record, recording
from voxome.relay.threads import waiting

_THREADS = 16
"""Chunks that are fetched from one source at the same time."""
_PROBE_S = 0.1
"""Time for which a client waits for a store that is known to be away, if there is a stale chunk."""
_REFUSALS = (NotFound, AccessDenied, CorruptData, RelayLoop)
"""Errors in which the source has answered; after any other, a stale chunk may be served."""

Result = Literal["memory", "disk", "stale", "stored", "unstored", "collapsed"]
_COUNTERS: dict[Result, str] = {
    "memory": "memory_hits", "disk": "disk_hits", "stale": "stale_hits", "stored": "misses", "unstored": "misses",
    "collapsed": "collapsed",
}  # fmt: skip
_STATUS: dict[Result, str] = {"memory": "hit", "disk": "hit"}


_FlightKey = tuple[bytes, int, int]
"""Key and generation of a chunk, and epoch of its array."""


class _Ahead(Future["_Found"]):
    """A fetch that nobody waited for when it began."""


@dataclass(frozen=True)
class _Found:
    chunk: CachedChunk
    result: Result


class ChunkCache:
    """Two tiers of chunks in front of the sources of a relay. Its methods may be called from several threads.

    A chunk that is in neither tier is read from its source by a thread of the cache, once for all who wait for it, in
    this process and in others that share the disk tier. All may leave: it is kept nevertheless. An error goes to all
    who wait, and is not kept. What a source sends is kept only if it has the shape and dtype of the chunk.

    Parameters
    ----------
    memory : MemoryTier
        Chunks in memory.
    generations : Generations
        Generations of the chunks, shared with all who write the sources.
    disk : DiskTier, optional
        Chunks on disk.
    leases : Leases, optional
        Leases of chunks, if several processes share the disk tier.
    """

    def __init__(
        self,
        memory: MemoryTier,
        generations: Generations,
        disk: DiskTier | None = None,
        leases: Leases | None = None,
    ) -> None:
        self.memory, self.disk, self.generations = memory, disk, generations
        self._leases = leases
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._flights: dict[_FlightKey, Future[_Found]] = {}
        self._awaited: Counter[str] = Counter()
        self._lock = Lock()
        self._prefetcher = Prefetcher(self._fetch_ahead, lambda source: self._awaited[source] > 0)

    def read(self, array: CachedArray, box: Box) -> NDArray[Any]:
        """Return the voxels of a box that is not empty; the array may not be writable.

        Raises
        ------
        InvalidBox
            If the box leaves the array, which may have been replaced by a smaller one.
        StoreError, OSError
            What the source raises, or if it sends other voxels than expected.
        """
        if box not in array.grid.domain:
            raise InvalidBox(f"box {box} is not inside {array.grid.domain}")
        return _assemble(array, box, self._find(array, array.grid.touching(box)))

    def read_at_hand(self, array: CachedArray, box: Box) -> NDArray[Any] | None:
        """Return the voxels of a box that is not empty, if the cache has all of them, else None."""
        chunks = []
        for index in array.grid.touching(box):
            found = self._look_up(array, index).fresh
            if found is None:
                return None
            chunks.append((index, found.chunk))
        record("hit")
        return _assemble(array, box, chunks)

    def chunk_of(self, array: CachedArray, box: Box, voxels: NDArray[Any]) -> tuple[int, CachedChunk] | None:
        """Return the chunk in memory, with its number, whose voxels `read` has returned; None if they are others."""
        first, *others = islice(array.grid.touching(box), 2)
        chunk = None if others or array.grid[first].write != box else self.memory.get(array.key(first))
        if chunk is None or chunk.epoch != array.epoch or _layout(chunk.voxels) != _layout(voxels):
            return None
        return first, chunk

    def chunk_at(self, array: CachedArray, index: int, generation: int) -> CachedChunk | None:
        """Return a chunk as it was in a generation, also one that is stale; None if it is not here."""
        key = array.key(index)
        for tier in (self.memory.get, partial(self._from_disk, array, index)):
            chunk = tier(key)
            if chunk is not None and chunk.generation == generation and chunk.epoch >= array.oldest_epoch:
                return chunk
        return None

    def is_valid(self, array: CachedArray, index: int, chunk: CachedChunk) -> bool:
        """Return whether a chunk was not written since it was fetched."""
        return chunk.generation == array.generation(index, self.generations)

    def count_hit(self, array: CachedArray) -> None:
        """Count a chunk in memory that was not read by `read`."""
        self._count(array, "memory")

    def note_read(self, array: CachedArray, box: Box) -> None:
        """Fetch the chunks beside a box that a client has read, when nobody waits for the source."""
        budget = max(self.memory.budget, 0 if self.disk is None else self.disk.budget)
        if budget >= ROOM * math.prod(array.grid.block) * array.dtype.itemsize:
            self._prefetcher.note(array, box)

    def fetch_ahead(self, array: CachedArray, chunks: Sequence[int]) -> None:
        """Fetch chunks when nobody waits for the source."""
        self._prefetcher.add(array, chunks)

    def metrics(self) -> str:
        """Return the size of the disk tier in the text format of Prometheus."""
        if self.disk is None:
            return ""
        name, nbytes = "voxome_relay_cache_disk_bytes", self.disk.nbytes
        return f"# HELP {name} Bytes of the files of the cache.\n# TYPE {name} gauge\n{name} {nbytes}\n"

    def close(self) -> None:
        """Wait for the chunks under way, and close the disk tier."""
        self._prefetcher.close()
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        if self.disk is not None:
            self.disk.close()
        self.generations.close()

    def _find(self, array: CachedArray, chunks: Iterable[int]) -> Iterator[tuple[int, CachedChunk]]:
        """Yield chunks of an array, those of the cache first."""
        remaining = iter(chunks)
        while some := list(islice(remaining, 2 * _THREADS)):
            flights = []
            for index in some:
                found = self._look_up(array, index)
                here = found.fresh or self._instead(array, index, found)
                if here is not None:
                    self._count(array, here.result)
                    yield index, here.chunk
                else:
                    flights.append((index, *self._join(array, index, found), found.stale))
            try:
                if any(not flight.done() for _, flight, _, _ in flights):
                    with waiting(array.source):
                        _wait_for([flight for _, flight, _, _ in flights], array.timeout_s)
                fetched = [
                    (index, *self._result(array, index, flight, joined, stale))
                    for index, flight, joined, stale in flights
                ]
            except BaseException:
                record("unstored")
                raise
            for index, one, joined in fetched:
                self._count(array, "collapsed" if joined else one.result)
                yield index, one.chunk

    def _result(
        self, array: CachedArray, index: int, flight: Future[_Found], joined: bool, stale: CachedChunk | None
    ) -> tuple[_Found, bool]:
        """Return what a fetch has found; where a prefetch has failed, the chunk is fetched for the client."""
        while flight.done():
            if not isinstance(flight, _Ahead):
                return flight.result(), joined
            with suppress(Exception):
                return flight.result(), joined
            flight, joined = self._join(array, index, self._look_up(array, index))
            with waiting(array.source):
                _wait_for([flight], array.timeout_s)
        return _not_in_time(array, stale), joined

    def _instead(self, array: CachedArray, index: int, missing: _Lookup) -> _Found | None:
        """Return a stale chunk of a store that is known to be away; one fetch at a time finds out when it is back."""
        found = _stale(array, missing.stale)
        if found is None or not array.counters.is_away:
            return None
        if not self._awaited[array.source]:
            flight, _ = self._join(array, index, missing)
            with waiting(array.source):
                wait([flight], _PROBE_S)
            if flight.done() and flight.exception() is None:
                return flight.result()
        return found

    def _from_disk(self, array: CachedArray, index: int, key: bytes) -> CachedChunk | None:
        return None if self.disk is None else self.disk.get(key, array.dtype, array.grid[index].write.shape)

    def _look_up(self, array: CachedArray, index: int) -> _Lookup:
        key, generation = array.key(index), array.generation(index, self.generations)
        stale = None
        chunk = self.memory.get(key)
        if chunk is not None and chunk.generation == generation:
            if chunk.epoch == array.epoch:
                return _Lookup(key, generation, _Found(chunk, "memory"))
            stale = chunk
        chunk = self._from_disk(array, index, key)
        if chunk is not None and chunk.generation == generation:
            if chunk.epoch == array.epoch:
                self.memory.put(key, chunk)
                return _Lookup(key, generation, _Found(chunk, "disk"))
            stale = stale or chunk
        return _Lookup(key, generation, None, stale)

    def _join(self, array: CachedArray, index: int, missing: _Lookup) -> tuple[Future[_Found], bool]:
        """Return the fetch of a chunk, started now or, if the second value is true, before."""
        flight = (missing.key, missing.generation, array.epoch)
        with self._lock:
            running = self._flights.get(flight)
            if running is not None:
                return running, True
            started = self._flights[flight] = self._pool(array.pool or array.source).submit(
                copy_context().run, self._fly, flight, array, index, missing
            )
            self._awaited[array.source] += 1
        return started, False

    def _fetch_ahead(self, array: CachedArray, index: int) -> bool:
        """Fetch a chunk that nobody waits for; return False if it is here, or being fetched."""
        missing = self._look_up(array, index)
        key, flight = (missing.key, missing.generation, array.epoch), _Ahead()
        with self._lock:
            if missing.fresh is not None or key in self._flights:
                return False
            self._flights[key] = flight
        try:
            found = self._fetch(array, index, _Lookup(missing.key, missing.generation, None), "prefetch_errors")
        except BaseException as error:
            self._land(key)
            flight.set_exception(error)
            raise
        self._land(key)
        flight.set_result(found)
        return found.result == "stored"

    def _land(self, flight: _FlightKey) -> None:
        with self._lock:
            del self._flights[flight]

    def _pool(self, name: str) -> ThreadPoolExecutor:
        """Return the threads of a source, so that one that does not answer holds up no other."""
        if name not in self._pools:
            self._pools[name] = ThreadPoolExecutor(_THREADS, "voxome-relay-fetch")
        return self._pools[name]

    def _fly(self, flight: _FlightKey, array: CachedArray, index: int, missing: _Lookup) -> _Found:
        WITHIN_FETCH.set(True)
        try:
            return self._fetch(array, index, missing)
        finally:
            with self._lock:
                del self._flights[flight]
                self._awaited[array.source] -= 1

    def _fetch(self, array: CachedArray, index: int, missing: _Lookup, errors: str = "errors") -> _Found:
        with self._lease(array, missing):
            found = self._look_up(array, index)
            if found.fresh is not None:  # another process, or a fetch that has just ended, has fetched it
                return _Found(found.fresh.chunk, "collapsed")
            try:
                with recording() as inputs:
                    voxels = self._read_source(array, array.grid[index].write, errors)
            except _REFUSALS:
                raise
            except (StoreError, OSError):
                found_stale = _stale(array, missing.stale)
                if found_stale is None:
                    raise
                return found_stale
            chunk = CachedChunk(voxels, missing.generation, array.epoch)
            if inputs["stale"]:  # it was computed from chunks that may have changed
                return _Found(chunk, "stale")
            in_memory = self.memory.put(missing.key, chunk)
            on_disk = self.disk is not None and self.disk.put(missing.key, chunk)
        return _Found(chunk, "stored" if in_memory or on_disk else "unstored")

    def _read_source(self, array: CachedArray, box: Box, errors: str) -> NDArray[Any]:
        begin = perf_counter()
        try:
            sent = array.read(box)
        except BaseException as error:
            array.counters.add(errors)
            if errors == "errors":
                array.counters.observe_error(error)
            raise
        array.counters.observe_fetch(perf_counter() - begin, sent.nbytes)
        if sent.shape != box.shape or sent.dtype != array.dtype:
            expected = f"{array.dtype} voxels of shape {box.shape} in box {box}"
            raise StoreError(f"the source sent {sent.dtype} voxels of shape {sent.shape}; expected {expected}")
        voxels = np.array(sent, order="C")  # the source may change its own array later
        voxels.flags.writeable = False
        return voxels

    def _lease(self, array: CachedArray, missing: _Lookup) -> AbstractContextManager[None]:
        if self._leases is None:
            return nullcontext()
        return self._leases.hold(missing.key, missing.generation, array.depth)

    def _count(self, array: CachedArray, result: Result) -> None:
        array.counters.add(_COUNTERS[result])
        record(_STATUS.get(result, result))


def _assemble(array: CachedArray, box: Box, chunks: Iterable[tuple[int, CachedChunk]]) -> NDArray[Any]:
    """Return the voxels of a box from all chunks that it touches; those of a single chunk are not copied."""
    out: NDArray[Any] | None = None
    for index, chunk in chunks:
        chunk_box = array.grid[index].write
        part = chunk_box & box
        if part == box:
            return chunk.voxels[box.within(chunk_box)]
        out = np.empty(box.shape, array.dtype) if out is None else out
        out[part.within(box)] = chunk.voxels[part.within(chunk_box)]
    assert out is not None
    return out


def _layout(voxels: NDArray[Any]) -> tuple[Any, ...]:
    """Return what is the same for two arrays, both in use, only if they are the same memory."""
    memory = voxels.__array_interface__
    return memory["data"][0], memory["shape"], memory["strides"], memory["typestr"]


def _wait_for(flights: Sequence[Future[_Found]], timeout_s: float) -> None:
    """Wait until all have ended, or none has ended for too long; raise the error of the first that fails."""
    pending = {flight for flight in flights if not flight.done()}
    while pending:
        done, pending = wait(pending, None if math.isinf(timeout_s) else timeout_s, FIRST_COMPLETED)
        if not done:
            return
        for flight in done:
            if not isinstance(flight, _Ahead):
                flight.result()


def _not_in_time(array: CachedArray, stale: CachedChunk | None) -> _Found:
    found = _stale(array, stale)
    if found is None:
        raise StoreError(f"the store has sent nothing for {array.timeout_s:g} s")
    return found


def _stale(array: CachedArray, chunk: CachedChunk | None) -> _Found | None:
    """Return a stale chunk, if it may still be served."""
    return None if chunk is None or chunk.epoch < array.oldest_epoch else _Found(chunk, "stale")


@dataclass(frozen=True)
class _Lookup:
    """A chunk as the tiers have it: fresh, stale or not at all."""

    key: bytes
    generation: int
    fresh: _Found | None
    stale: CachedChunk | None = None
