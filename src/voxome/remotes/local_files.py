"""Versions of local files, and blank voxels in new ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np

from voxome.contracts.source import Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData
from voxome.storage.local import LocalPath


def file_version(*paths: Path) -> Version:
    """Return a version from the inodes, sizes and times of files; it is not pinned, since local files may change."""
    states = [f"{path.name}:{(s := path.stat()).st_ino}:{s.st_size}:{s.st_mtime_ns}" for path in paths]
    digest = hashlib.sha256("\n".join(states).encode(errors="surrogateescape"))
    return Version(digest.hexdigest()[:16], pinned=False, covers_voxels=True)


def tree_version(folder: Path) -> Version:
    """Return a version from the inodes, sizes and times of all files in a folder."""
    return Version(LocalPath(str(folder)).tree_state() or "", pinned=False, covers_voxels=True)


def require_content(file: Path, expected: str) -> None:
    """Require that a file is not empty.

    Raises
    ------
    CorruptData
        If it is; the message says what was expected.
    """
    if file.stat().st_size == 0:
        raise CorruptData(f"{file} is empty; expected {expected}: restore it from a copy")


class Sink(Protocol):
    """A file opened for writing bytes."""

    def write(self, data: memoryview, /) -> int: ...


def write_blank(file: Sink, spec: VolumeSpec) -> None:
    """Write all voxels of `spec` as its fill value, so that a full disk fails now."""
    part = np.full(1 << 20, spec.fill, spec.dtype)
    count, rest = divmod(spec.domain.size, part.size)
    for _ in range(count):
        file.write(part.data)
    file.write(part[:rest].data)
