"""The disk tier of the cache: one file for each chunk, whole or absent."""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import numpy as np

from voxome.errors import StoreError
from voxome.relay.cache.entry import CachedChunk
from voxome.relay.cache.index import DiskIndex, IndexEntry

INDEX_FILE = "index.sqlite"
"""Name of the index in the folder of the tier."""
_PART = ".part"
_WARN_EVERY_S = 60.0
_LOG = logging.getLogger(__name__)


class DiskTier:
    """Chunks in files below a folder, found by an index that several processes share.

    A file is written under a temporary name, whose bytes count in the budget, and entered in the index once it is
    whole; its checksum is verified whenever it is read. Whatever the disk does, reads go on: a chunk that cannot be
    kept or read is fetched from its source again, and the log says why, once a minute.

    Parameters
    ----------
    folder : Path
        Folder of the tier, created if it does not exist.
    budget : int
        Bytes of all files.
    process : int
        Number of this process among those that share the folder; files that an earlier one with this number has not
        finished are removed.

    Raises
    ------
    StoreError
        If neither the index nor an empty one in its place can be opened.
    """

    def __init__(self, folder: Path, budget: int, process: int = 0) -> None:
        self.folder, self.budget, self._process = folder, budget, process
        self._files = folder / "chunks"
        self._next_warning = 0.0
        self._closing = Event()
        self.index = self._open_index()
        with self._tolerating("cleaned"):
            self._unlink(f"{file}{_PART}" for file in self.index.take_unfinished(process))
        self._cleaner = Thread(target=self._remove_strays, name="voxome-relay-cleaner", daemon=True)
        if process == 0:
            self._cleaner.start()

    @property
    def nbytes(self) -> int:
        """Bytes of all files, unfinished ones among them; 0 while the index cannot be read."""
        with self._tolerating("read"):
            return self.index.nbytes
        return 0

    def get(self, key: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> CachedChunk | None:
        """Return the chunk of `key`, if it is here and as it was written."""
        with self._tolerating("read"):
            entry = self.index.get(key)
            if entry is None:
                return None
            content = self._read(entry)
            if content is None or len(content) != math.prod(shape) * dtype.itemsize:
                self.index.remove(key, entry.file)
                self._unlink([entry.file])
                return None
            voxels = np.frombuffer(content, dtype).reshape(shape)
            return CachedChunk(voxels, entry.generation, entry.epoch)
        return None

    def put(self, key: bytes, chunk: CachedChunk) -> bool:
        """Keep a chunk, and remove others until the budget holds; return whether it is kept."""
        content = chunk.voxels.data if chunk.voxels.flags.c_contiguous else chunk.voxels.tobytes()
        file = f"{key.hex()[:2]}/{key.hex()[2:]}-{os.urandom(4).hex()}"
        with self._tolerating("written"):
            fits, removed = self.index.begin(file, chunk.voxels.nbytes, self._process, self.budget)
            self._unlink(removed)
            if not fits:
                return False
            try:
                self._write(file, content)
                checksum = zlib.crc32(content)
                entry = IndexEntry(file, chunk.voxels.nbytes, checksum, chunk.generation, chunk.epoch)
                replaced = self.index.finish(key, entry)
            except BaseException:
                self._unlink([file, f"{file}{_PART}"])
                with suppress(sqlite3.Error):
                    self.index.give_up(file)
                raise
            self._unlink([] if replaced is None else [replaced])
            return True
        return False

    def make_room(self, nbytes: int) -> None:
        """Remove the least recently used chunks that have `nbytes` in all, for something else on this disk."""
        with self._tolerating("cleaned"):
            oldest = self.index.oldest(nbytes)
            self._unlink(file for _, file in oldest)  # before the entries, whose removal needs room too
            for key, file in oldest:
                self.index.remove(key, file)

    def close(self) -> None:
        """Record what is only in memory."""
        self._closing.set()
        if self._cleaner.is_alive():
            self._cleaner.join()
        with self._tolerating("closed"):
            self.index.close()

    def _open_index(self) -> DiskIndex:
        file = self.folder / INDEX_FILE
        try:
            self._files.mkdir(parents=True, exist_ok=True)
            try:
                return DiskIndex(file)
            except sqlite3.OperationalError:  # locked, no space, no permission: the content may be right
                raise
            except sqlite3.DatabaseError as error:
                _LOG.warning("the index of the cache in %s is damaged, and begins empty: %s", self.folder, error)
                for suffix in ("", "-wal", "-shm"):
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
                return DiskIndex(file)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open the cache in {self.folder}: {error}; choose another cache folder") from error

    def _read(self, entry: IndexEntry) -> bytes | None:
        """Return the content of a file; None if it is missing or damaged."""
        try:
            content = (self._files / entry.file).read_bytes()
        except FileNotFoundError:
            return None
        if len(content) == entry.nbytes and zlib.crc32(content) == entry.checksum:
            return content
        _LOG.warning("the file %s of the cache in %s is damaged; its chunk is fetched again", entry.file, self.folder)
        return None

    def _write(self, file: str, content: memoryview | bytes) -> None:
        path = self._files / file
        temporary = path.with_name(path.name + _PART)
        path.parent.mkdir(exist_ok=True)
        temporary.write_bytes(content)
        temporary.rename(path)

    def _unlink(self, files: Iterable[str]) -> None:
        for file in files:
            (self._files / file).unlink(missing_ok=True)

    def _remove_strays(self) -> None:
        """Remove files that no entry names: of a process that was killed, or of an index that was lost."""
        with self._tolerating("cleaned"):
            for first in range(256):
                if self._closing.is_set():
                    return
                folder = self._files / f"{first:02x}"
                found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
                known = self.index.files(first) if found else set()
                names = ((f"{folder.name}/{name}".removesuffix(_PART), name) for name in found)
                self._unlink(f"{folder.name}/{name}" for file, name in names if file not in known)

    @contextmanager
    def _tolerating(self, action: str) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if monotonic() >= self._next_warning:
                self._next_warning = monotonic() + _WARN_EVERY_S
                _LOG.warning("the cache in %s could not be %s; reads go on without it: %s", self.folder, action, error)
