"""Folders on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from os import scandir, urandom
from pathlib import Path
from typing import Any

from voxome.errors import AlreadyThere, NotFound, StoreError
from voxome.remotes.places.base import Names, Place
from voxome.remotes.tensorstore import translated


class LocalPlace(Place):
    """A folder on this machine."""

    is_local = True
    known = ()

    @property
    def parent(self) -> Place | None:
        above = Path(self.path).parent
        return None if str(above) == self.path else LocalPlace(str(above))

    def spec(self) -> dict[str, Any]:
        """Files are not flushed to the disk one by one: they outlive the process, not a power failure."""
        return {"driver": "file", "path": f"{self.path.rstrip('/')}/", "file_io_sync": False}

    def state(self, key: str) -> str:
        with translated(str(self), invalid=StoreError):
            stat = (Path(self.path) / key).stat()
        return f"{stat.st_mtime_ns}-{stat.st_size}"

    def lister(self) -> Names:
        if not Path(self.path).is_dir():
            raise NotFound(f"there is no folder {self.path}")
        return _scan

    def taken(self) -> bool:
        path = Path(self.path)
        return path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir()))

    def put_new(self, documents: Mapping[str, bytes]) -> None:
        """They are written beside this folder, and renamed into place: nothing is ever there in part."""
        path = Path(self.path)
        draft = path.with_name(f".{path.name}.{urandom(4).hex()}.part")
        try:
            for key, text in documents.items():
                (draft / key).parent.mkdir(parents=True, exist_ok=True)
                (draft / key).write_bytes(text)
            draft.rename(path)
        except OSError as error:
            if self.taken():
                raise AlreadyThere(f"something is at {self} already; choose another path, or delete it") from error
            raise StoreError(f"{self} cannot be made: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def delete(self) -> None:
        try:
            shutil.rmtree(self.path)
        except OSError as error:
            raise StoreError(f"{self} cannot be removed: {error}") from error


def _scan(place: Place) -> tuple[list[str], list[str]]:
    folders: list[str] = []
    files: list[str] = []
    try:
        with scandir(place.path) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    except OSError as error:
        raise StoreError(f"{place} cannot be listed: {error}") from error
    return sorted(folders), sorted(files)
