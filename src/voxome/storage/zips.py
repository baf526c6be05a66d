"""Folders inside zips, which are read without unpacking them."""

from __future__ import annotations

import errno
import struct
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import tensorstore as ts

from voxome.config.settings import settings
from voxome.errors import CorruptData, ReadOnly, UnsupportedFormat, VoxomeError
from voxome.storage.atomic import read_error
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import context, map_errors, result_of

MARK = "|zip:"
"""Separates the path of a zip from the folder in it, as in tensorstore's URL pipelines."""

SUFFIXES = (".zip", ".ozx")
"""Ends of the names of zips; OME-Zarr's are called ``.ozx``."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip, and of an empty one."""
_DAMAGE = (zipfile.BadZipFile, EOFError, LookupError, OverflowError, RuntimeError, ValueError, struct.error)
"""What `zipfile` raises of zips that are damaged."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, 93, 95)
"""Compressions of zip that tensorstore reads: also zstd and xz."""
_KEPT_FILES = 1 << 20
"""Files in zips of which this process remembers the sizes."""
_checked: dict[str, tuple[str | None, Mapping[str, int]]] = {}
"""Address of each zip that was looked at → its state, if it is on this machine, and the bytes of its files."""
_CHECKED_LOCK = threading.Lock()


class ZipPath(StoragePath):
    """A folder in a zip, or the top of one; entries are stored, deflated or compressed as tensorstore reads them.

    Parameters
    ----------
    archive : StoragePath
        The zip.
    inner : str
        Path in it.
    """

    writable = False
    read_only_because = "is in a zip, which is only read"
    quick_to_list = True

    def __init__(self, archive: StoragePath, inner: str = "") -> None:
        self._archive, self._inner = archive, inner.strip("/")
        super().__init__(f"{archive.path}{MARK}{'/' * bool(self._inner)}{self._inner}", archive.options)

    def __truediv__(self, below: str) -> StoragePath:
        return ZipPath(self._archive, f"{self._inner}/{below}")

    @property
    def name(self) -> str:
        return self._inner.rpartition("/")[2] or self._archive.name

    @property
    def parent(self) -> StoragePath | None:
        return ZipPath(self._archive, self._inner.rpartition("/")[0]) if self._inner else None

    def spec(self) -> dict[str, Any]:
        """Return the spec of a zip store.

        Raises
        ------
        UnsupportedFormat
            If names in the zip have backslashes: the folders that they should mean would seem to be empty. Or if a file
            has more bytes than are read at once.
        """
        self._checked_sizes()
        return {**self._whole(), "path": f"{self._inner}/" if self._inner else ""}

    def size(self) -> int | None:
        return self._checked_sizes().get(self._inner)

    def _whole(self) -> dict[str, Any]:
        """Return the spec of the zip store at its top."""
        if self._archive.is_local:
            self._archive.spec()  # of a path that tensorstore takes for another, it raises
        folder = self._archive._folder.spec()
        return {"driver": "zip", "base": {**folder, "path": f"{folder['path']}{self._archive.name}"}, "path": ""}

    def _checked_sizes(self) -> Mapping[str, int]:
        """Return the bytes of the files in the zip, of which no name has a backslash, and none is too large to be read.

        The files of a zip are looked at once in a process, and again if it has changed.
        """
        state = self._archive.file_state() if self._archive.is_local else None
        address, whole = self._archive.address, self._whole()
        known = _checked.get(address)
        if known is not None and known[0] == state:
            return known[1]
        with map_errors(self._described(), invalid=CorruptData):
            keys = result_of(result_of(ts.KvStore.open(whole, context=context())).list())
        found = next((key.decode(errors="replace") for key in keys if b"\\" in key), None)
        if found is not None:
            raise UnsupportedFormat(
                f"{self._archive} has names with backslashes, such as {found}, where a zip separates folders by "
                "slashes: unpack it and zip it again"
            )
        sizes = {one.filename: one.file_size for one in self._entries()}
        largest = max(sizes, key=lambda name: sizes[name], default=None)
        if largest is not None and sizes[largest] > settings().largest_chunk_bytes:
            raise UnsupportedFormat(
                f"{self._archive}: {largest} has {sizes[largest]:,} bytes, more than are read at once; unpack the zip, "
                "or allow more (VOXOME_LARGEST_CHUNK_BYTES)"
            )
        with _CHECKED_LOCK:
            _checked.pop(address, None)
            _checked[address] = state, sizes
            while len(_checked) > 1 and sum(len(one) for _, one in _checked.values()) > _KEPT_FILES:
                del _checked[next(iter(_checked))]
        return sizes

    def files(self) -> list[str]:
        """Return the paths of all files in this folder and below, relative to it.

        Raises
        ------
        CorruptData
            If it is not in a zip that can be read.
        """
        with map_errors(self._described(), invalid=CorruptData):
            return [key.decode() for key in result_of(self.kvstore.list())]

    def require_methods(self) -> None:
        """Require that the entries of the zip are compressed in ways that are read.

        Raises
        ------
        UnsupportedFormat
            If one is not: tensorstore leaves it out.
        """
        other = next((one for one in self._entries() if one.compress_type not in _METHODS), None)
        if other is not None:
            raise UnsupportedFormat(
                f"{self._archive}: {other.filename} is compressed by method {other.compress_type} of zip, which is not "
                "read; zip it again, stored or deflated"
            )

    def _entries(self) -> list[zipfile.ZipInfo]:
        """Return what the zip says of its files: of one in a store, its end is read.

        Raises
        ------
        CorruptData, UnsupportedFormat
            If `zipfile` cannot read it, also where tensorstore can: the sizes of its files would not be known.
        AccessDenied, StoreError
            If the file cannot be read.
        """
        try:
            with self._open_archive() as file, zipfile.ZipFile(file) as packed:
                return packed.infolist()
        except VoxomeError:
            raise
        except NotImplementedError as error:
            raise UnsupportedFormat(f"{self._archive} is a zip that is not read: {error}; zip it again") from error
        except _DAMAGE as error:
            raise CorruptData(f"{self._described()}: {error}; zip it again") from error
        except OSError as error:
            if error.errno is None or error.errno == errno.EINVAL:  # it was sought where no file is
                raise CorruptData(f"{self._described()}: {error}; zip it again") from error
            raise read_error(Path(self._archive.path), error) from error

    def _open_archive(self) -> BinaryIO:
        return Path(self._archive.path).open("rb") if self._archive.is_local else self._archive.open_file()

    def _described(self) -> str:
        """Return the address for messages about a zip that cannot be read."""
        if not self._archive.is_local:
            return str(self)
        return f"{self._archive} is truncated or damaged"

    def write_bytes(self, data: bytes) -> None:
        """Refuse to write: tensorstore would write the whole zip again for each file."""
        self._refuse()

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bool:
        self._refuse()

    def unlink(self) -> None:
        self._refuse()

    def delete(self) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ReadOnly(f"{self} {self.read_only_because}; write to a local folder, s3:// or gs://")

    def tree_state(self) -> str | None:
        return self._archive.file_state()

    def file_state(self) -> str | None:
        return self._archive.file_state()


def in_zip(path: StoragePath) -> StoragePath:
    """Return `path`, or the folder in a zip that it means where it, or a folder above it, is a zip.

    A local file is a zip by its first bytes, an object of a store by its suffix.
    """
    inner: list[str] = []
    for one in (path, *path.parents) if not isinstance(path, ZipPath) else ():
        if one.is_local and _exists(Path(one.path)):
            return ZipPath(one, "/".join(reversed(inner))) if is_zip(Path(one.path)) else path
        if not one.is_local and one.parent is not None and one.name.endswith(SUFFIXES):
            return ZipPath(one, "/".join(reversed(inner)))
        inner.append(one.name)
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise read_error(path, error) from error


def is_zip(path: Path) -> bool:
    """Return whether a local path is a file that begins like a zip.

    Raises
    ------
    AccessDenied, StoreError
        If it may not be read, or its disk fails.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(4) in _MAGIC
    except OSError as error:
        raise read_error(path, error) from error


def names_zip(path: str) -> bool:
    """Return whether a path is written as a folder in a zip, ``PATH|zip:FOLDER``, and is no file or folder itself."""
    return MARK in path and not Path(path).exists()
