"""Locks on boxes that all requests of a relay respect, in all of its processes."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks
from voxome.relay.file_locks import locked_file
from voxome.relay.threads import waiting

_FILES, _GROUPS = 32, 64
_EDGE = 64


class SupportsHold(Protocol):
    """Locks on boxes of volumes."""

    def hold(self, volume: Hashable, box: Box) -> AbstractContextManager[None]:
        """Wait until nobody else holds a voxel of `box` in `volume`, then hold it inside the context."""


class SharedBoxLocks:
    """Locks on boxes by locks on files, which the system frees when a process dies.

    A request that waits for a lock, or holds one, has no slot: who holds a lock may wait for a slot, and those who
    wait for the lock would have them all.

    Volumes share 64 groups of files by their hashes, and their cubes of 64 voxels the 32 files of a group. A box locks
    those of all its cubes, in one order, so that no two wait for each other; a store that does not answer holds up few
    other volumes.

    Parameters
    ----------
    folder : Path, optional
        Folder of the files, created if it does not exist; without one, only threads of this process share the locks.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._threads = BoxLocks()

    @contextmanager
    def hold(self, volume: Hashable, box: Box) -> Iterator[None]:
        """Wait until no other thread or process holds a voxel of `box` in `volume`, then hold it.

        Raises
        ------
        StoreError
            If too many requests wait for boxes of the volume.
        """
        with waiting(f"boxes of {volume}"), self._threads.hold(volume, box), ExitStack() as stack:
            if self._folder is not None:
                group = zlib.crc32(f"{volume}".encode()) % _GROUPS
                for number in _files(volume, box):
                    stack.enter_context(locked_file(self._folder / f"{group}-{number}.lock"))
            yield


def _files(volume: Hashable, box: Box) -> list[int]:
    """Return the numbers of the files that a box locks, in order."""
    cubes = box.coarsen([_EDGE] * box.ndim)
    if math.prod(cubes.shape) > 8 * _FILES:
        return list(range(_FILES))
    cells = itertools.product(*(range(a, b) for a, b in zip(cubes.start, cubes.stop, strict=True)))
    return sorted({zlib.crc32(f"{volume} {cell}".encode()) % _FILES for cell in cells})
