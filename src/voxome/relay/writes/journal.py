"""The journal: writes on the disk of the relay, in order, until their stores have them."""

from __future__ import annotations

import errno
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from voxome.errors import CorruptData, InvalidInput, StoreError
from voxome.relay.cache.entry import CachedChunk
from voxome.relay.cache.memory import MemoryTier
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.frame import Voxels, decode_payload, encode_head, encode_payload, parse_file, with_payload
from voxome.relay.writes.index import QueuedWrite, WriteIndex
from voxome.relay.writes.shares import Shares
from voxome.storage.durable import sync_folder

FOLDER = "writes"
"""Name of the folder of the journal in the folder of the cache."""
INDEX_FILE = "index.sqlite"
"""Name of the index in the folder of the journal."""
_SUFFIX = ".write"
_NAME = re.compile(rf"[0-9a-f]{{16}}\{_SUFFIX}")
_RESERVE_FILE, _RESERVE_BYTES = "reserve", 2**18
_MEMORY_BYTES = 2**26
"""Bytes of writes that each process keeps in memory, so that not every read opens their files."""
_LOG = logging.getLogger(__name__)


class JournalFull(StoreError):
    """The journal has no room for another write."""


class TooLargeForJournal(InvalidInput):
    """A write is larger than the whole journal may be."""


class DamagedWrite(CorruptData):
    """The file of a write is damaged or missing."""


class UnreadableWrite(StoreError):
    """The file of a write cannot be read from the disk of the relay."""


class Journal:
    """Writes in files of one folder, found by an index that the processes of a relay share.

    A write is confirmed when its file, the folder and the index are on the disk. Nothing removes it but its replay and
    an operator. Files have all that the index has, so that one that is lost can be made again.

    Parameters
    ----------
    folder : Path
        Folder of the journal, created if it does not exist.
    budget : int
        Bytes of all files.
    process : int, optional
        Number of this process among those that share the folder; writes that an earlier one with this number has not
        confirmed are removed. Without one nothing is removed, and nothing can be appended.

    make_room : function, optional
        Called when the disk is full, with the bytes that are needed: what is only cached goes first.

    Attributes
    ----------
    shares : Shares
        What each source may use of the budget; sources that expect writes are added to it.

    Raises
    ------
    StoreError
        If it cannot be opened.
    """

    def __init__(
        self,
        folder: Path,
        budget: int,
        process: int | None = None,
        make_room: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.folder, self.budget, self._process, self._make_room = folder, budget, process, make_room
        self.shares = Shares()
        self._files = folder / "entries"
        self._memory = MemoryTier(_MEMORY_BYTES)
        try:
            self._files.mkdir(parents=True, exist_ok=True)
            self.index = WriteIndex(folder / INDEX_FILE)
            for made in (folder, folder.parent):
                sync_folder(made)
            if process is not None:
                self._fill_reserve()
            for number in () if process is None else self.index.take_reserved(process):
                self._path(number).unlink(missing_ok=True)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open the journal of writes in {folder}: {error}") from error

    def append(self, entry: WriteEntry, voxels: Voxels) -> WriteEntry:
        """Put a write on the disk, behind all others; return it with its number.

        Raises
        ------
        TooLargeForJournal
            If it exceeds what its source may use of the budget.
        JournalFull
            If the budget does not have so many bytes left.
        StoreError
            If the disk fails.
        """
        payload = encode_payload(voxels)
        entry = with_payload(entry, payload)
        size = len(encode_head(replace(entry, number=2**63 - 1))) + len(payload)
        largest = self.shares.largest(entry.source, self.budget)
        if size > largest:
            raise TooLargeForJournal(
                f"the write has {size} bytes, more than the {largest} that its source may have in the journal; "
                "send smaller boxes"
            )
        if self._process is None:
            raise StoreError(f"the journal in {self.folder} was opened to look at its writes, not to append")
        with self._storing():
            try:
                return self._append(entry, payload, size, self._process)
            except (OSError, sqlite3.Error) as error:
                if isinstance(error, StoreError) or not _is_full(error):
                    raise
            self._make_room(2 * size + _RESERVE_BYTES)
            return self._append(entry, payload, size, self._process)

    def _append(self, entry: WriteEntry, payload: bytes, size: int, process: int) -> WriteEntry:
        number = self.index.reserve(size, process, self.budget, entry.source, self.shares)
        if number is None:
            raise JournalFull(f"the journal in {self.folder} has no room for {size} bytes until others are written")
        entry = replace(entry, number=number)
        try:
            self._write(entry, payload)
        except BaseException:
            self._give_up(number)
            raise
        try:
            self.index.add(entry, len(encode_head(entry)) + len(payload))
        except sqlite3.Error as error:
            if _is_full(error):  # after other errors only the next start can find out whether it is entered
                self._give_up(number)
            raise
        return entry

    def load(self, entry: WriteEntry) -> Voxels:
        """Return what a write writes.

        Raises
        ------
        DamagedWrite
            If its file is damaged or missing.
        UnreadableWrite
            If the disk fails.
        """
        key = entry.number.to_bytes(8, "big")
        known = self._memory.get(key)
        if known is not None:
            return decode_payload(entry, known.voxels.data)
        try:
            found, payload = parse_file(self._path(entry.number).read_bytes())
        except FileNotFoundError as error:
            raise DamagedWrite(f"the file of write {entry.number} in {self.folder} is missing") from error
        except CorruptData as error:
            raise DamagedWrite(f"the file of write {entry.number} in {self.folder} is damaged: {error}") from error
        except OSError as error:
            raise UnreadableWrite(f"cannot read write {entry.number} in {self.folder}: {error.strerror}") from error
        if found != entry:
            raise DamagedWrite(f"the file of write {entry.number} in {self.folder} is that of another write")
        self._memory.put(key, CachedChunk(np.frombuffer(payload, np.uint8), 0, 0))
        return decode_payload(entry, payload)

    def remove(self, entries: Iterable[WriteEntry]) -> None:
        """Remove writes that their stores have, or that an operator gives up.

        Raises
        ------
        StoreError
            If the disk fails.
        """
        numbers = [entry.number for entry in entries]
        with self._storing():
            try:
                self.index.remove(numbers)
            except sqlite3.Error:
                with suppress(OSError):
                    os.truncate(self.folder / _RESERVE_FILE, 0)
                self.index.remove(numbers)
        for number in numbers:
            self._memory.drop(number.to_bytes(8, "big"))
            with suppress(OSError):  # the next start removes it
                self._path(number).unlink(missing_ok=True)
        self._fill_reserve()

    def find(self, number: int) -> QueuedWrite | None:
        """Return a write by its number."""
        found = self.index.queue(after=number - 1, last=number)
        return found[0] if found else None

    def close(self) -> None:
        """Close the index."""
        with suppress(sqlite3.Error):
            self.index.close()

    def _give_up(self, number: int) -> None:
        """Remove what there is of a write that is not entered."""
        with suppress(OSError):
            self._path(number).unlink(missing_ok=True)
        with suppress(sqlite3.Error):
            self.index.release(number)

    def _fill_reserve(self) -> None:
        """Occupy what the index needs to remove writes from a disk that is full."""
        path = self.folder / _RESERVE_FILE
        with suppress(OSError):
            if not path.exists() or path.stat().st_size < _RESERVE_BYTES:
                path.write_bytes(bytes(_RESERVE_BYTES))

    def _write(self, entry: WriteEntry, payload: bytes) -> None:
        """Write a file, and wait until it and its name are on the disk."""
        file = os.open(self._path(entry.number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            for part in (encode_head(entry), payload):
                view = memoryview(part)
                while view:
                    view = view[os.write(file, view) :]
            os.fsync(file)
        finally:
            os.close(file)
        sync_folder(self._files)

    def _path(self, number: int) -> Path:
        return self._files / f"{number:016x}{_SUFFIX}"

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (OSError, sqlite3.Error) as error:
            raise JournalFull(f"the journal of writes in {self.folder} cannot be written: {error}") from error


def _is_full(error: Exception) -> bool:
    """Return whether a disk has no room."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def journal_folder(cache: Path) -> Path:
    """Return the folder of the journal in that of a cache."""
    return cache / FOLDER


def recover(folder: Path) -> None:
    """Make a journal that no process uses fit for the next ones.

    What was not confirmed is removed. An index that is damaged or lost is made again from the files; a file that is
    damaged then is kept in the folder ``damaged``, and the log names it.

    Raises
    ------
    StoreError
        If the disk fails.
    """
    files = folder / "entries"
    if not files.is_dir():
        return
    try:
        index = _open_index(folder)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot open the journal of writes in {folder}: {error}") from error
    try:
        index.take_reserved()
        known = index.numbers()
        for path in files.iterdir():
            if _NAME.fullmatch(path.name) is None:
                _LOG.warning("%s is no file of the journal, and left alone", path)
            elif int(path.stem, 16) not in known:
                path.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot clean the journal of writes in {folder}: {error}") from error
    finally:
        index.close()


def _open_index(folder: Path) -> WriteIndex:
    file = folder / INDEX_FILE
    lost = not file.exists()
    if not lost:
        try:
            index = WriteIndex(file)
            (result,) = index.fetch_one("PRAGMA quick_check(1)") or ("",)
            if result == "ok":
                return index
            index.close()
            problem = str(result)
        except sqlite3.OperationalError:  # locked, no space, no permission: the content may be right
            raise
        except sqlite3.DatabaseError as error:
            problem = str(error)
        _LOG.warning(
            "the index of the writes in %s is damaged, and is made again from their files: %s", folder, problem
        )
        for suffix in ("", "-wal", "-shm"):
            broken = file.with_name(file.name + suffix)
            if broken.exists():
                broken.rename(file.with_name(f"damaged-{time.time_ns()}-{broken.name}"))
    # made under another name, so that a start that is interrupted does not find an index of some writes
    part = folder / f"{INDEX_FILE}.part"
    part.unlink(missing_ok=True)
    index = WriteIndex(part)
    for path in sorted(one for one in (folder / "entries").iterdir() if _NAME.fullmatch(one.name)):
        try:
            entry, _ = parse_file(path.read_bytes())
        except CorruptData as error:
            _LOG.error("the write in %s is damaged, and kept in the folder damaged: %s", path, error)
            (folder / "damaged").mkdir(exist_ok=True)
            path.rename(folder / "damaged" / path.name)
        else:
            index.add(entry, path.stat().st_size)
    index.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)")
    index.close()
    for suffix in ("-wal", "-shm"):
        part.with_name(part.name + suffix).unlink(missing_ok=True)
    part.rename(file)
    return WriteIndex(file)
