"""Folders on this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import groupby
from os import DirEntry, fstat, scandir
from pathlib import Path
from typing import Any, BinaryIO

from voxome.errors import AlreadyExists, InvalidBox, NotFound, StoreError, UnsupportedFormat
from voxome.storage.atomic import creation_problem, replacing, storing
from voxome.storage.bounded_file import BoundedFile, open_regular
from voxome.storage.page import Page
from voxome.storage.path import StoragePath
from voxome.storage.temporary_names import part_path, remove_abandoned
from voxome.storage.tensorstore import map_errors

_LOCK_SUFFIX = ".__lock"
"""End of the names of the files with which tensorstore locks others."""


class LocalPath(StoragePath):
    """A folder on this machine."""

    is_local = quick_to_list = True
    known = ()

    @property
    def parent(self) -> StoragePath | None:
        above = Path(self.path).parent
        return None if str(above) == self.path else LocalPath(str(above))

    def spec(self) -> dict[str, Any]:
        """Return the spec of a file store; files are not synced: they survive the process, not a power failure.

        Raises
        ------
        UnsupportedFormat
            If the path has a backslash, at which tensorstore would begin another folder, or is not UTF-8.
        """
        self._require_usual_name()
        return {"driver": "file", "path": f"{self.path.rstrip('/')}/", "file_io_sync": False}

    def state(self, key: str) -> str:
        with map_errors(str(self), invalid=StoreError):
            stat = (Path(self.path) / key).stat()
        return f"{stat.st_mtime_ns}-{stat.st_size}"

    def size(self) -> int | None:
        try:
            return Path(self.path).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"cannot read {self}: {error.strerror or error}") from error

    def tree_state(self) -> str | None:
        """Return a text that changes with the inode, size or time of any file below this folder, except locks."""
        digest = hashlib.sha256()
        with map_errors(str(self), invalid=StoreError):
            for line in _states(Path(self.path), "", frozenset()):
                digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    def file_state(self) -> str | None:
        try:
            stat = Path(self.path).stat()
        except FileNotFoundError:
            return None
        return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        return [_read(Path(self.path, key)) for key in keys]

    def read_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        """Return ranges of files; consecutive ranges of one file are read without opening it again."""
        found: list[bytes | None] = []
        for key, group in groupby(ranges, lambda one: one[0]):
            found += _read_ranges(Path(self.path, key), [(start, stop) for _, start, stop in group])
        return found

    def read_bytes(self) -> bytes | None:
        return _read(Path(self.path))

    def write_bytes(self, data: bytes) -> None:
        with self.create_file() as file:
            file.write(data)

    def exists(self) -> bool:
        return Path(self.path).is_file()

    def unlink(self) -> None:
        with storing(Path(self.path)):
            Path(self.path).unlink(missing_ok=True)

    def open_file(self) -> BinaryIO:
        try:
            return BoundedFile(Path(self.path))
        except FileNotFoundError as error:
            raise NotFound(f"the file {self} does not exist") from error
        except OSError as error:
            raise StoreError(f"cannot read {self}: {error.strerror or error}") from error

    @contextmanager
    def create_file(self) -> Iterator[BinaryIO]:
        """Open a file for writing that appears at this path, complete, when the block ends without an error."""
        path = Path(self.path)
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as file:
            yield file

    @property
    def identity(self) -> object:
        try:
            status = Path(self.path).stat()
        except OSError:
            return self.path
        return status.st_dev, status.st_ino

    def _pages(self) -> Iterator[Page]:
        """Yield all names at once; links to folders count as folders."""
        folders: list[str] = []
        files: list[str] = []
        try:
            with scandir(self.path) as entries:
                for entry in entries:
                    (folders if _is_folder(entry) else files).append(entry.name)
        except FileNotFoundError as error:
            raise NotFound(f"the folder {self.path} does not exist") from error
        except NotADirectoryError as error:
            raise NotFound(f"{self.path} is not a folder") from error
        except OSError as error:
            raise StoreError(f"cannot list {self}: {error.strerror or error}") from error
        yield Page.of(folders, files)

    def walk(self) -> Iterator[str]:
        """Yield the paths of all files in this folder and below, relative to it; links count as files."""
        with map_errors(str(self), invalid=StoreError):
            for folder, below, files in os.walk(self.path, onerror=_raise):
                links = [name for name in below if Path(folder, name).is_symlink()]
                yield from (Path(folder, name).relative_to(self.path).as_posix() for name in sorted(files + links))

    def tree_bytes(self) -> int | None:
        with map_errors(str(self), invalid=StoreError):
            paths = (Path(folder, name) for folder, _, files in os.walk(self.path, onerror=_raise) for name in files)
            return sum(path.lstat().st_size for path in paths)

    def dead_links(self, names: Iterable[str]) -> Iterator[tuple[str, NotFound]]:
        for name in names:
            path = Path(self.path, name)
            if _is_link(path) and not _leads_somewhere(path):
                yield name, NotFound(f"{path} is a link to {path.readlink()}, which does not exist")

    def taken(self) -> bool:
        path = Path(self.path)
        return path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir()))

    def put_new(self, documents: Mapping[str, bytes]) -> None:
        """Create files, written beside this folder and renamed at once: a partial folder is never visible."""
        self._require_usual_name()
        path = Path(self.path)
        with suppress(OSError):
            remove_abandoned(path)
        draft = part_path(path)
        try:
            for key, text in documents.items():
                (draft / key).parent.mkdir(parents=True, exist_ok=True)
                (draft / key).write_bytes(text)
            draft.rename(path)
        except OSError as error:
            if self.taken():
                raise AlreadyExists(f"{self} already exists; choose another path, or delete it") from error
            raise StoreError(f"cannot create {self}: {creation_problem(draft, error)}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bool:
        LocalPath(f"{self.path}/{key}")._require_usual_name()
        return super().change(key, change)

    def _require_usual_name(self) -> None:
        if "\\" in self.path:
            raise UnsupportedFormat(
                f"{self} has a backslash in its path, which would be taken for a separator of folders: rename it"
            )
        if self.path.encode(errors="replace").decode() != self.path:
            raise UnsupportedFormat(f"{self} has a character in its path that is not UTF-8: rename it")

    def delete(self) -> None:
        try:
            shutil.rmtree(self.path)
        except OSError as error:
            if not Path(self.path).exists():
                return
            raise StoreError(f"cannot remove {self}: {error}") from error

    def remove_if_empty(self) -> None:
        with suppress(OSError):
            Path(self.path).rmdir()

    def remove_stale_parts(self) -> None:
        for part in Path(self.path).rglob(".*.part"):
            if part.is_file():
                part.unlink(missing_ok=True)

    def remove_stale_locks(self) -> None:
        for lock in Path(self.path).rglob(f"*{_LOCK_SUFFIX}"):
            lock.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    try:
        with open_regular(path) as file:
            return file.readall()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _read_ranges(path: Path, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
    try:
        with open_regular(path) as file:
            return [_read_range(path, file, start, stop) for start, stop in ranges]
    except (FileNotFoundError, NotADirectoryError):
        return [None] * len(ranges)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _read_range(path: Path, file: FileIO, start: int, stop: int) -> bytes:
    if not 0 <= start <= stop <= fstat(file.fileno()).st_size:  # before memory is taken for what metadata claim
        raise InvalidBox(f"{path}: bytes {start} to {stop} are not all inside the file")
    file.seek(start)
    data = bytearray()
    while len(data) < stop - start and (part := file.read(stop - start - len(data))):
        if len(part) == stop - start:
            return part
        data += part
    if len(data) < stop - start:
        raise InvalidBox(f"{path}: bytes {start} to {stop} are not all inside the file")
    return bytes(data)


def _states(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """Yield a line for each file below `folder`, sorted; links are followed, but not back to a folder `above`."""
    status = folder.stat()
    inode = (status.st_dev, status.st_ino)
    if inode in above:
        return
    with scandir(folder) as entries:
        children = sorted(entries, key=lambda entry: entry.name)
    for entry in children:
        if entry.is_dir():
            yield from _states(Path(entry.path), f"{prefix}{entry.name}/", above | {inode})
        elif not entry.name.endswith(_LOCK_SUFFIX):
            file = entry.stat() if entry.is_file() else entry.stat(follow_symlinks=False)
            yield f"{prefix}{entry.name}:{file.st_ino}:{file.st_size}:{file.st_mtime_ns}\n"


def _raise(error: OSError) -> None:
    raise error


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # in a folder whose names may be read, and nothing else
        return False


def _leads_somewhere(link: Path) -> bool:
    try:
        return link.exists()
    except OSError:  # in circles
        return False


def _is_folder(entry: DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one; a link that leads nowhere or in circles is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False
