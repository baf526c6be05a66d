"""Digests of files and folders, computed once for each version of a file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK_BYTES = 1 << 20
Versions = set[tuple[str, int, int, int]]
"""Paths, sizes, times of modification and inodes of files."""


class Digests:
    """Digests of contents, remembered while size, times and inode of a file stay as they are."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int, int], str] = {}
        self._read: Versions = set()

    @contextmanager
    def noting(self) -> Iterator[Versions]:
        """Note which versions of files the body is given the digests of."""
        before, self._read = self._read, set()
        try:
            yield self._read
        finally:
            self._read = before

    def file(self, path: str | Path) -> str:
        """Return ``sha1$…``, as CWL writes it, of the content of a file."""
        status = Path(path).stat()
        version = (os.fspath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        self._read.add((version[0], status.st_size, status.st_mtime_ns, status.st_ino))
        digest = self._known.get(version)
        if digest is None:
            digest = self._known[version] = _digest(Path(path))
        return digest

    def tree(self, path: str | Path) -> list[list[str]]:
        """Return name, type and digest of all in a file or folder, sorted; links that lead somewhere are followed."""
        return [[name, *self._entry(place)] for name, place in walk(Path(path))]

    def _entry(self, path: Path) -> list[str]:
        if path.is_dir():
            return ["folder"]
        if path.is_symlink() and not path.exists():
            return ["link", str(path.readlink())]
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return ["special"]
        return ["program" if mode & stat.S_IXUSR else "file", self.file(path)]


def walk(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield relative name and path of `root` and of everything in it, in order; folders that contain themselves end."""
    yield from _walk(root, "", ())


def _walk(path: Path, name: str, above: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    yield name, path
    if not path.is_dir():
        return
    real = os.path.realpath(path)
    if real in above:
        return
    for child in sorted(path.iterdir()):
        yield from _walk(child, f"{name}/{child.name}" if name else child.name, (*above, real))


def _digest(path: Path) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return f"sha1${digest.hexdigest()}"
