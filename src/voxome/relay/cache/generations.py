"""Generations of cached voxels: random numbers that a write replaces, seen at once by all processes of a relay."""

from __future__ import annotations

import mmap
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from voxome.errors import StoreError
from voxome.relay.file_locks import claim_file, locked_file

_SOURCES, _CHUNKS, PROCESSES = 2**10, 2**16, 64
_NUMBER = np.dtype("uint64")
_COUNT = np.dtype("uint16")
_BYTES = (2 * _SOURCES + _CHUNKS) * _NUMBER.itemsize + PROCESSES * _SOURCES * _COUNT.itemsize
ENTERED = "entered"
"""What stands for all writes of a source that are in the journal of the relay."""


def entered(chunk: str) -> str:
    """Return the name of the writes to a chunk that are in the journal of the relay."""
    return f"{ENTERED}/{chunk}"


class Generations:
    """Generations of sources and of their chunks.

    What is cached is kept with the generation that it had before it was fetched, and is valid while that is the same.
    So a fetch that was under way during a write is never served after it. Sources and chunks share numbers by their
    hashes: where two have the same, a write of one costs the other a fetch.

    Parameters
    ----------
    file : Path, optional
        Memory-mapped file that several processes share, and that outlives them; without it, this process is alone.

    Attributes
    ----------
    process : int
        Number of this process among those that share the file, free again when it ends.

    Raises
    ------
    StoreError
        If the file cannot be opened, or 64 processes share it already.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._map = file, self._open(file)
        numbers = np.frombuffer(self._map, _NUMBER, 2 * _SOURCES + _CHUNKS)
        self._versions, self._sources, self._chunks = np.split(numbers, [_SOURCES, 2 * _SOURCES])
        writing = np.frombuffer(self._map, _COUNT, offset=numbers.nbytes)
        self._all_writing: NDArray[np.uint16] = writing.reshape(PROCESSES, _SOURCES)
        self._lock = Lock()
        self.process, self._claim = self._claim_process()
        self._writing = self._all_writing[self.process]
        self.recover()

    def of(self, source: str, chunk: str) -> int:
        """Return the generation of a chunk of a source."""
        return int(self._sources[_slot(source, _SOURCES)] ^ self._chunks[_slot(f"{source}/{chunk}", _CHUNKS)])

    def of_source(self, source: str) -> int:
        """Return a number that changes when all chunks of a source get new generations."""
        return int(self._sources[_slot(source, _SOURCES)])

    def version(self, source: str) -> int:
        """Return a number that each write to a source replaces."""
        return int(self._versions[_slot(source, _SOURCES)])

    def renew(self, source: str) -> None:
        """Give all chunks of a source, and its version, new generations."""
        self._sources[_slot(source, _SOURCES)] = _new()
        self._versions[_slot(source, _SOURCES)] = _new()

    def renew_chunks(self, source: str, chunks: Iterable[str]) -> None:
        """Give chunks of a source new generations."""
        for chunk in chunks:
            self._chunks[_slot(f"{source}/{chunk}", _CHUNKS)] = _new()

    @contextmanager
    def writing(self, source: str, chunks: Iterable[str] | None) -> Iterator[None]:
        """Give chunks of a source new generations when the context ends, or, if this process is killed in it, all.

        Parameters
        ----------
        source : str
            Identity of the source.
        chunks : iterable of str, or None
            Chunks that are written; None for all.
        """
        slot = _slot(source, _SOURCES)
        self._count(slot, 1)
        try:
            yield
        finally:
            if chunks is None:
                self.renew(source)
            else:
                self.renew_chunks(source, chunks)
                self._versions[slot] = _new()
            self._flush()
            self._count(slot, -1)

    def recover(self) -> None:
        """Give the sources that processes were writing when they were killed new generations."""
        for number in np.flatnonzero(self._all_writing.any(axis=1)):
            if number == self.process:
                continue
            claim = self._lock_process(int(number))
            if claim is not None:
                self._forget(int(number))
                os.close(claim)

    def close(self) -> None:
        """Free the number of this process."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _open(self, file: Path | None) -> mmap.mmap:
        if file is None:
            return mmap.mmap(-1, _BYTES)
        try:
            with locked_file(file) as lock:  # one process fills a new file; the others find it whole
                if os.fstat(lock).st_size != _BYTES:
                    with open(lock, "r+b", closefd=False) as opened:
                        opened.truncate(0)
                        opened.write(bytes(_BYTES))  # a sparse file would end the process when the disk is full
                return mmap.mmap(lock, _BYTES)
        except OSError as error:
            raise StoreError(f"cannot open {file}, which the processes of a relay share: {error.strerror}") from error

    def _claim_process(self) -> tuple[int, int | None]:
        """Return the first number that no living process has, and the file that this process has locked for it."""
        for number in range(PROCESSES) if self._file is not None else ():
            claim = self._lock_process(number)
            if claim is not None:
                self._forget(number)
                return number, claim
        if self._file is None:
            return 0, None
        raise StoreError(f"{PROCESSES} processes share {self._file}; end some of them, or use another cache folder")

    def _lock_process(self, number: int) -> int | None:
        """Return the locked file of a number; None if a living process has it."""
        return None if self._file is None else claim_file(self._file.with_name(f"process-{number}.lock"))

    def _forget(self, number: int) -> None:
        """Give the sources that a dead process was writing new generations."""
        for slot in np.flatnonzero(self._all_writing[number]):
            self._sources[slot], self._versions[slot] = _new(), _new()
        self._all_writing[number] = 0

    def _count(self, slot: int, change: int) -> None:
        with self._lock:
            self._writing[slot] = int(self._writing[slot]) + change
        self._flush()

    def _flush(self) -> None:
        if self._file is not None:
            self._map.flush()


def _slot(text: str, slots: int) -> int:
    return zlib.crc32(text.encode()) % slots


def _new() -> np.uint64:
    return np.uint64(secrets.randbits(63))  # which SQLite takes
