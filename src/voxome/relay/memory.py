"""Memory of requests: what bodies and cutouts may have together, so that many large ones do not exhaust the machine."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, StoreError

_SMALL = 2**20
"""Bytes that are not counted."""


LARGEST_WRITTEN_CHUNK_BYTES = 2**28
"""Bytes of the largest chunk or shard into which boxes are written: it is read, changed and encoded as a whole."""
_COPIES = 3
"""Copies of a chunk or shard that a store needs to write into it."""


class ChunkTooLarge(InvalidInput):
    """A box cannot be written, since the chunks or shards around it would need too much memory."""


class MemoryExhausted(StoreError):
    """Other requests hold all memory that requests may have."""


class MemoryBudget:
    """Bytes that all requests of a process may hold together; one request alone may hold more.

    Parameters
    ----------
    most_bytes : int
        The limit.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0
        self._lock = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count what is held inside the context, in threads that it starts too, and give it back at its end.

        What outlasts it keeps what it has with `share`, and else can hold nothing any more.
        """
        share = _Share(self)
        token = _CURRENT.set(share)
        try:
            yield
        finally:
            _CURRENT.reset(token)
            share.release()


class _Share:
    """What one request holds, and what outlasts it: its largest body or cutout."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget, self._held, self._owners = budget, 0, 1

    def hold(self, nbytes: int) -> None:
        budget = self._budget
        with budget._lock:
            if not self._owners:
                raise MemoryExhausted("the request that needs memory has ended")
            others = budget._held - self._held
            if nbytes <= self._held:
                return
            if others and others + nbytes > budget._most:
                raise MemoryExhausted("the relay has no memory left for such a request; repeat it later")
            budget._held, self._held = others + nbytes, nbytes

    def own(self) -> None:
        with self._budget._lock:
            self._owners += 1

    def release(self) -> None:
        """End what one owner does; the last gives the memory back."""
        with self._budget._lock:
            self._owners -= 1
            if not self._owners:
                self._budget._held -= self._held
                self._held = 0


_CURRENT: ContextVar[_Share | None] = ContextVar("voxome_relay_memory", default=None)


def hold(nbytes: int) -> None:
    """Count a body or a cutout of the request that is being answered; outside of requests nothing happens.

    Raises
    ------
    MemoryExhausted
        If other requests leave too little.
    """
    share = _CURRENT.get()
    if share is not None and nbytes > _SMALL:
        share.hold(nbytes)


def share() -> Callable[[], None]:
    """Keep what the request that is being answered holds until the returned function is called, even if it ends."""
    current = _CURRENT.get()
    if current is None:
        return lambda: None
    current.own()
    return current.release


def chunk_bytes(spec: VolumeSpec) -> int:
    """Return the bytes of the voxels of one chunk, all of which are decoded whatever is read; 0 without chunks."""
    return 0 if spec.read_chunk is None else math.prod(spec.read_chunk) * spec.dtype.itemsize


def written_bytes(spec: VolumeSpec) -> int:
    """Return the bytes that a store needs to write into a chunk, or into the shard in which it is.

    Raises
    ------
    ChunkTooLarge
        If its chunks or shards are too large for that.
    """
    nbytes = chunk_bytes(spec)
    if spec.write_chunk is not None:
        inside = map(min, spec.write_chunk, spec.domain.shape)
        nbytes = max(nbytes, math.prod(inside) * spec.dtype.itemsize)
    if nbytes > LARGEST_WRITTEN_CHUNK_BYTES:
        raise ChunkTooLarge(
            f"the chunks or shards of this volume have {nbytes} bytes; expected at most {LARGEST_WRITTEN_CHUNK_BYTES} "
            "to write into them: create it again with smaller ones"
        )
    return _COPIES * nbytes
