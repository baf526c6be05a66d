"""Versions and blank voxels of local files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np

from voxome.contracts.source import Version
from voxome.contracts.spec import VolumeSpec


def file_version(*paths: Path) -> Version:
    """The sizes and times of change of some files: they may change under us, so nothing is pinned."""
    states = [f"{path.name}:{(s := path.stat()).st_ino}:{s.st_size}:{s.st_mtime_ns}" for path in paths]
    return Version(hashlib.sha256("\n".join(states).encode()).hexdigest()[:16], pinned=False)


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: memoryview, /) -> int: ...


def write_blank(file: Sink, spec: VolumeSpec) -> None:
    """All voxels of `spec` as its fill, to the last byte, so that a full disk shows now."""
    piece = np.full(1 << 20, spec.fill, spec.dtype)
    whole, rest = divmod(spec.domain.size, piece.size)
    for _ in range(whole):
        file.write(piece.data)
    file.write(piece[:rest].data)
