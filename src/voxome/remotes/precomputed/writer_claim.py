"""The claim of a writer on a new folder: who writes there, and which names are its own.

A folder of a killed writer is taken over if that process is known to have ended; only what it wrote is removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Self

from voxome.contracts.formats import PRIVATE
from voxome.contracts.json_text import parse_object
from voxome.errors import AlreadyExists, StoreError
from voxome.storage.path import StoragePath
from voxome.storage.processes import has_ended, host_name, start_time

_KEY = f"{PRIVATE}-writer.json"
_ATTEMPTS = 5


@dataclass(frozen=True)
class WriterClaim:
    """Content of the file of a claim.

    Attributes
    ----------
    host : str
        Computer, since it was started, and its container.
    process : int
        Number of the process.
    started : str
        When the process was started, as numbers are used again; empty where the system does not tell.
    names : tuple of str
        Patterns, as those of a shell, of the names of files and folders that the writer writes.
    """

    host: str
    process: int
    started: str
    names: tuple[str, ...]

    @classmethod
    def of_this_process(cls, names: Iterable[str]) -> Self:
        """Return the claim of this process."""
        return cls(host_name(), os.getpid(), start_time(os.getpid()), tuple(names))

    @classmethod
    def read(cls, folder: StoragePath) -> Self | None:
        """Return the claim on a folder; None if there is none."""
        return cls._parse(folder.read(_KEY))

    @classmethod
    def _parse(cls, text: bytes | None) -> Self | None:
        if text is None:
            return None
        data = parse_object(text) or {}
        process, names = data.get("process"), data.get("names")
        return cls(
            str(data.get("host", "")),
            process if isinstance(process, int) else 0,
            str(data.get("started", "")),
            tuple(map(str, names)) if isinstance(names, list) else (),
        )

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended; what runs elsewhere is not known."""
        return self.host == host_name() and has_ended(self.process, self.started)

    def take(self, folder: StoragePath, name: str) -> None:
        """Claim a folder, and remove what an ended writer has left there.

        Raises
        ------
        AlreadyExists
            If another process writes there, or something else is there; `name` is the folder's, for the message.
        """
        before: list[WriterClaim | None] = []

        def text(old: bytes | None) -> bytes:
            before[:] = [self._parse(old)]
            if before[0] is not None and not before[0].has_ended:
                raise AlreadyExists(before[0]._busy(folder, name))
            return json.dumps(asdict(self)).encode()

        if not any(folder.change(_KEY, text) for _ in range(_ATTEMPTS)):
            raise StoreError(f"{name}: other writers claim it at the same time; try again")
        try:
            if before[0] is not None:
                before[0].remove_written(folder)
            if others := [one for one in folder.names() if not one.startswith(_KEY)]:
                raise AlreadyExists(_taken(name, others))
        except BaseException:
            self.release(folder)
            raise

    def remove_written(self, folder: StoragePath) -> None:
        """Remove what the writer has written."""
        entries = folder.entries()
        for one in entries.folders:
            if self._is_own(one):
                (folder / one).delete()
        for one in entries.files:
            if self._is_own(one):
                (folder / one).unlink()

    def release(self, folder: StoragePath) -> None:
        """Give the folder up; one that is empty is removed."""
        (folder / _KEY).unlink()
        folder.remove_if_empty()

    def require_free(self, folder: StoragePath, name: str) -> None:
        """Require that nothing is in a folder that this claim is on, but what its ended writer has left.

        Raises
        ------
        AlreadyExists
            If there is.
        """
        if not self.has_ended:
            raise AlreadyExists(self._busy(folder, name))
        if others := [one for one in folder.names() if not (self._is_own(one) or one.startswith(_KEY))]:
            raise AlreadyExists(_taken(name, others))

    def _is_own(self, name: str) -> bool:
        return any(fnmatchcase(name, one) for one in self.names)

    def _busy(self, folder: StoragePath, name: str) -> str:
        host = self.host.partition(" ")[0] or "an unknown host"
        return (
            f"{name} already exists, and is being written by process {self.process} of {host}; "
            f"wait for it, choose another path, or, if that process has ended, delete {folder}"
        )


def require_free(folder: StoragePath, name: str) -> None:
    """Require that nothing is in a folder, but what an ended writer has left; `name` stands for it in the message.

    Raises
    ------
    AlreadyExists
        If there is.
    """
    claim = WriterClaim.read(folder)
    if claim is None:
        folder.must_be_free(name)
    else:
        claim.require_free(folder, name)


def _taken(name: str, others: Iterable[str]) -> str:
    return f"{name} already exists, with {min(others)} in it; choose another path, or delete it"
