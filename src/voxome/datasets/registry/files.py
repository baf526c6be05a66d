"""Files of public volumes, fetched by hash into a cache.

The cache is ``VOXOME_CACHE``, or the user's cache folder; it may be filled beforehand by any other means.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from voxome.datasets.registry.entry import File
from voxome.errors import CorruptData, NotFound, StoreError

_PIECE = 1 << 20


def folder() -> Path:
    """Where fetched files lie."""
    return Path(os.environ.get("VOXOME_CACHE") or platformdirs.user_cache_dir("voxome")) / "datasets"


def in_cache(file: File) -> Path:
    """The file on this machine: from the cache, or fetched if its hash is known.

    Raises
    ------
    NotFound
        If it is not in the cache, and nobody has hashed it.
    CorruptData
        If what is in the cache, or was fetched, has another hash.
    StoreError
        If it cannot be fetched.
    """
    path = folder() / file.name
    if path.is_file():
        _check(path, file)
        return path
    if file.sha256 is None:
        raise NotFound(
            f"{file.url} is not fetched by itself, for nobody has recorded its hash: "
            f"run voxome datasets NAME --fetch, or put it at {path}"
        )
    return fetch(file)


class _Bar:
    """What pooch takes for a progress bar."""

    total = 0

    def __init__(self, told: Callable[[int, int], None]) -> None:
        self._told, self._done = told, 0

    def update(self, count: int) -> None:
        self._done += count
        self._told(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def fetch(file: File, told: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Fetch the file into the cache, whether its hash is known or not.

    Parameters
    ----------
    file : File
        What is fetched.
    told : callable
        Called now and then with the bytes that came, and how many there are; 0 where the server does not say.

    Raises
    ------
    CorruptData
        If it has another hash than is known.
    StoreError
        If it cannot be fetched.
    """
    import pooch

    known = None if file.sha256 is None else f"sha256:{file.sha256}"
    downloader = pooch.HTTPDownloader(progressbar=_Bar(told), chunk_size=_PIECE)
    pooch.get_logger().setLevel("ERROR")
    try:
        pooch.retrieve(file.url, known, file.name, folder(), downloader=downloader)
    except ValueError as error:
        raise CorruptData(f"{file.url} is not what it was: {error}") from error
    except OSError as error:
        raise StoreError(f"{file.url} cannot be fetched: {error}") from error
    return folder() / file.name


def sha256_of(path: Path) -> str:
    """The hash of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _check(path: Path, file: File) -> None:
    if file.sha256 is not None and (found := sha256_of(path)) != file.sha256:
        raise CorruptData(f"{path} has sha256 {found}, not {file.sha256}: remove it, and it is fetched again")
