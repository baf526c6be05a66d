"""A store: objects of clients, which are files in a folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from voxome.errors import NotFound, StoreError
from voxome.relay.file_locks import locked_file
from voxome.relay.lazy import lazy
from voxome.relay.rights import Rights
from voxome.relay.stores.folder import Folder
from voxome.relay.stores.keys import OWN, parts_of
from voxome.relay.stores.properties import Properties, PropertyFiles
from voxome.relay.stores.walk import KeyWalk
from voxome.relay.threads import waiting

UPLOADS_DAYS = 7.0
"""Days for which uploads in parts are kept by default."""
_LOCKS = 64
_SLICE_BYTES = 2**20
_OLD_S = 7 * 86400
_MOST_DIGESTS = 2**16
_TRIES = 64

Check = Callable[[Callable[[], str | None]], None]
"""Raises unless an object may be replaced; it gets a function that returns the ETag of the object, None without one."""
Changing = Callable[[tuple[str, ...]], AbstractContextManager[None]]
"""Returns the context in which the object with these parts of its key changes."""


@dataclass(frozen=True)
class StoredObject:
    """An object, open for reading.

    Attributes
    ----------
    key : str
        Its key in the store.
    file : binary file
        Its content.
    status : os.stat_result
        Size, and when it was written.
    properties : Properties
        What else is known of it.
    """

    key: str
    file: BinaryIO
    status: os.stat_result
    properties: Properties

    @lazy
    def etag(self) -> str:
        """ETag with quotes: the MD5 of the content, or what was made of those of its parts."""
        return f'"{self.properties.etag or _md5(self.file, self.status)}"'

    @property
    def is_etag_known(self) -> bool:
        """Whether nothing has to be read for the ETag."""
        return bool(self.properties.etag) or _state_of(self.status) in _DIGESTS

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Store:
    """Objects of clients in a folder.

    A write is on the disk, and seen whole or not at all. The folder may be changed by others, too.

    Parameters
    ----------
    name : str
        Its name in the relay.
    folder : Path
        Where the objects are.
    rights : Rights
        Who may read and write it.
    changing : function
        Context of each change.
    uploads_days : float
        Days after which an upload in parts ends to which no part has come.
    """

    def __init__(
        self, name: str, folder: Path, rights: Rights, changing: Changing, uploads_days: float = UPLOADS_DAYS
    ) -> None:
        self.name, self.rights, self.uploads_days = name, rights, uploads_days
        self.folder = Folder(folder)
        self.own = self.folder.path / OWN
        for one in ("new", "locks", "uploads"):
            (self.own / one).mkdir(parents=True, exist_ok=True)
        _remove_old(self.own / "new")
        self._properties = PropertyFiles(self.own / "properties")
        self._changing = changing

    def open(self, key: str) -> StoredObject:
        """Open an object.

        Raises
        ------
        NotFound
            If it does not exist.
        StoreError
            If it is replaced all the time.
        """
        for _ in range(_TRIES):
            file = self.folder.open_file(parts_of(key))
            status = os.fstat(file.fileno())
            properties, now = self._properties.read(key, status), self.status(key)
            if properties != Properties() or (now is not None and os.path.samestat(status, now)):
                return StoredObject(key, file, status, properties)
            file.close()  # it was replaced or deleted, and its properties with it
        raise StoreError(f"{key} is replaced again and again; try again later")

    def status(self, key: str) -> os.stat_result | None:
        """Return size and time of an object; None if it does not exist."""
        parts = parts_of(key)
        with suppress(NotFound, FileNotFoundError), self.folder.opened(parts[:-1]) as folder:
            return os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
        return None

    def etag(self, key: str, most_bytes: int) -> tuple[str, int] | None:
        """Return the ETag of an object, with quotes, and the bytes that were read for it.

        None if the object does not exist, or more than `most_bytes` would have to be read.
        """
        try:
            found = self.open(key)
        except (NotFound, OSError):
            return None
        try:
            read = 0 if found.is_etag_known else found.status.st_size
            return None if read > most_bytes else (found.etag, read)
        finally:
            found.close()

    def new_file(self) -> Path:
        """Return the path of a file, not yet there, that `put` can move to its place."""
        return self.own / "new" / secrets.token_hex(16)

    def put(self, key: str, file: Path, properties: Properties, check: Check) -> None:
        """Make a file, whose content is on the disk, an object; the file is no longer at its path then.

        Raises
        ------
        AlreadyExists
            If a folder is there, or a part of the key is an object.
        """
        parts = parts_of(key)
        with self.waiting(), self._changing(parts), self.locked(parts, exclusive=True):
            check(lambda: self._etag(key))
            self._properties.write(key, file, properties)
            status = file.stat()
            self.folder.move_in(file, parts)
            self._properties.forget(key, status)

    def delete(self, key: str, check: Check) -> None:
        """Delete an object; one that does not exist is deleted already."""
        parts = parts_of(key)
        with self.waiting(), self._changing(parts), self.locked(parts, exclusive=True):
            check(lambda: self._etag(key))
            with suppress(NotFound, FileNotFoundError, IsADirectoryError):
                self.folder.remove(parts)
            self._properties.forget(key)

    @contextmanager
    def locked(self, parts: Sequence[str], *, exclusive: bool) -> Iterator[None]:
        """Hold what is in the same folder of the store as a key, all of it without one: for a change of an object.

        Raises
        ------
        StoreError
            If too many requests wait for it.
        """
        numbers = [zlib.crc32(parts[0].encode()) % _LOCKS] if parts else range(_LOCKS)
        with ExitStack() as stack:
            for number in numbers:
                stack.enter_context(locked_file(self.own / "locks" / str(number), shared=not exclusive))
            yield

    def guard(self, place: str) -> AbstractContextManager[None]:
        """Return the context in which voxels at a path may be written, whatever the name under which they are served.

        Whoever writes voxels reads, changes and writes chunks; no object may change in between. Those who write voxels
        have locks of their own on each other.
        """
        inside, outside = f"{self._real}/", f"{place}/"
        if outside.startswith(inside):
            return self.locked([part for part in outside[len(inside) :].split("/") if part], exclusive=False)
        return self.locked((), exclusive=False) if inside.startswith(outside) else nullcontext()

    @lazy
    def _real(self) -> str:
        """Return the path of the folder without links."""
        return str(self.folder.path.resolve())

    def waiting(self) -> AbstractContextManager[None]:
        """Return the context of what may take long, outside of all locks: other requests work meanwhile."""
        return waiting(f"store {self.folder.path}")

    def walk(self) -> KeyWalk:
        """Return what lists the keys."""
        return KeyWalk(self.folder)

    def _etag(self, key: str) -> str | None:
        try:
            found = self.open(key)
        except NotFound:
            return None
        try:
            return found.etag
        finally:
            found.close()


def _remove_old(folder: Path) -> None:
    """Remove files and folders that processes which were killed have left."""
    for one in folder.iterdir():
        with suppress(OSError):
            if time.time() - one.stat().st_mtime > _OLD_S:
                if one.is_dir():
                    shutil.rmtree(one)
                else:
                    one.unlink()


_DIGESTS: dict[tuple[int, int, int, int], str] = {}
_LOCK = Lock()


def _state_of(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _md5(file: BinaryIO, status: os.stat_result) -> str:
    """Return the MD5 of a file, computed once for each file in its state."""
    state = _state_of(status)
    if state not in _DIGESTS:
        digest, at = hashlib.md5(usedforsecurity=False), 0
        with waiting(f"file {state}"):
            while part := os.pread(file.fileno(), _SLICE_BYTES, at):
                digest.update(part)
                at += len(part)
        with _LOCK:
            while len(_DIGESTS) >= _MOST_DIGESTS:
                del _DIGESTS[next(iter(_DIGESTS))]
            _DIGESTS[state] = digest.hexdigest()
        return digest.hexdigest()
    return _DIGESTS[state]
