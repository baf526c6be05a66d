"""Download of public files into a cache, verified by SHA-256.

The cache is the setting ``cache`` (``VOXOME_CACHE``), or the user's cache folder; files may also be placed there by
other means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import platformdirs

from voxome.config.settings import settings
from voxome.data.registry.entry import File
from voxome.errors import CorruptData, NotFound, StoreError

_CHUNK_BYTES = 1 << 20


def folder() -> Path:
    """Return the folder of the cache."""
    return (settings().cache or Path(platformdirs.user_cache_dir("voxome"))) / "datasets"


def cached_path(file: File) -> Path:
    """Return the path of a file in the cache, downloading it first if its SHA-256 is known.

    Raises
    ------
    NotFound
        If it is not in the cache and has no known SHA-256.
    CorruptData
        If its SHA-256 differs.
    StoreError
        If it cannot be downloaded.
    """
    path = folder() / file.name
    if path.is_file():
        _check(path, file)
        return path
    if file.sha256 is None:
        raise NotFound(
            f"{file.url} is not downloaded automatically, because its SHA-256 is unknown: "
            f"run `voxome datasets NAME --fetch`, or save it as {path}"
        )
    return fetch(file)


class _ProgressBar:
    """Progress bar as pooch expects it."""

    total = 0

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress, self._done = progress, 0

    def update(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def fetch(file: File, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Download a file into the cache.

    Parameters
    ----------
    file : File
        File to download.
    progress : callable
        Called with the number of bytes received and the total; 0 if the server does not say.

    Raises
    ------
    CorruptData
        If its SHA-256 differs from the known one.
    StoreError
        If it cannot be downloaded.
    """
    import pooch

    known = None if file.sha256 is None else f"sha256:{file.sha256}"
    downloader = pooch.HTTPDownloader(progressbar=_ProgressBar(progress), chunk_size=_CHUNK_BYTES)
    pooch.get_logger().setLevel("ERROR")
    try:
        pooch.retrieve(file.url, known, file.name, folder(), downloader=downloader)
    except ValueError as error:
        raise CorruptData(f"{file.url} has changed: {error}") from error
    except OSError as error:
        raise StoreError(f"{file.url} cannot be downloaded: {error}") from error
    return folder() / file.name


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _check(path: Path, file: File) -> None:
    if file.sha256 is not None and (digest := sha256_of(path)) != file.sha256:
        raise CorruptData(f"{path} has SHA-256 {digest}, not {file.sha256}; remove it to download it again")
