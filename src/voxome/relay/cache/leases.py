"""Leases of chunks: one process of a relay fetches a chunk, and the others wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxome.relay.file_locks import locked_file

_FILES = 2**14


class Leases:
    """Locks on files, which the system frees when a process dies.

    Keys share files by their hashes. A thread that holds a lease waits only for others of less depth, so no two wait
    for each other.

    Parameters
    ----------
    folder : Path
        Folder of the files, created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def hold(self, key: bytes, generation: int, depth: int = 0) -> Iterator[None]:
        """Wait until no other thread or process holds the lease, then hold it inside the context.

        A fetch that began before a write has another generation, so it holds up no reader after the write.
        """
        number = (int.from_bytes(key[:4], "big") ^ generation) % _FILES
        name = f"{depth}-{number}.lock" if depth else f"{number}.lock"
        with locked_file(self._folder / name):
            yield
