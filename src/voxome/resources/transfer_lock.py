"""The file beside the destination of a transfer, which locks it, and stays until all of it is copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from voxome.contracts.abilities import SupportsFileParts, SupportsMarkerFiles, SupportsRecognise
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied
from voxome.resources.open import locate
from voxome.resources.recognition import get_remote
from voxome.resources.view_options import split_view
from voxome.storage.find import storage_path
from voxome.storage.local import LocalPath
from voxome.storage.lock import LockRecord
from voxome.storage.path import StoragePath


def lock_path(uri: Uri) -> StoragePath | None:
    """Return the file that locks the destination `uri` of a transfer; None if its store has no place for one."""
    remote = get_remote(uri.scheme)
    if isinstance(remote, SupportsMarkerFiles):
        path = _real_path(uri)
        return _beside(path, path.name) if path.writable else None
    if "://" in uri.path or not isinstance(remote, SupportsRecognise):
        return None
    file, inner = remote.file_parts(uri) if isinstance(remote, SupportsFileParts) else (uri.local_path, "")
    file = file.resolve()
    return _beside(LocalPath(str(file)), f"{file.name}/{inner}".rstrip("/").replace("/", "%"))


def unfinished_transfer(uri: str) -> LockRecord | None:
    """Return the lock of the transfer that has not filled the volume at `uri`, or that of which it is a level."""
    for file in _lock_paths(uri):
        with suppress(AccessDenied):
            lock = LockRecord.parse(file.read_bytes())
            if lock is not None and lock.unfinished:
                return lock
    return None


def _lock_paths(uri: str) -> Iterator[StoragePath]:
    located = locate(uri)
    file = lock_path(located)
    if file is None:
        return
    yield file
    if isinstance(get_remote(located.scheme), SupportsMarkerFiles):
        above = _real_path(located).parents
        yield from filter(None, (_beside(path, path.name) for path in above))


def _real_path(uri: Uri) -> StoragePath:
    """Return the path of a folder, the same by each link to it."""
    path = storage_path(split_view(uri)[0])
    return LocalPath(str(Path(path.path).resolve())) if path.is_local else path


def _beside(path: StoragePath, name: str) -> StoragePath | None:
    return None if path.parent is None else path.parent / f".{name}.voxome-lock"
