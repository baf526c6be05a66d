"""What ``voxome rm`` will remove: kinds of files, how many, their bytes, and the names of the first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from voxome.contracts.abilities import SupportsFileParts, SupportsListedFiles, SupportsOwnFiles, SupportsRecognise
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.resources.recognition import get_remote, marker_files
from voxome.resources.transfer_lock import lock_path
from voxome.services.delete import LEFT_OVER, removed_path
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath

_SHOWN = 3
"""Names of files that an entry has."""


@dataclass
class RemovedFiles:
    """Files of one kind that will be removed.

    Attributes
    ----------
    kind : str
        What they are, as "metadata", or "files in 0/".
    files : int
        Their number.
    bytes : int, optional
        Their bytes; None if the store does not tell.
    first : list of str
        Names of the first, relative to the volume.
    """

    kind: str
    files: int = 0
    bytes: int | None = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str, size: int | None) -> None:
        """Count a file."""
        self.files += 1
        self.bytes = None if self.bytes is None or size is None else self.bytes + size
        if len(self.first) < _SHOWN:
            self.first.append(name)


def list_removal(uri: Uri, spec: VolumeSpec) -> list[RemovedFiles]:
    """Return what `delete` will remove of the volume at `uri`, as `require_deletable` returned it."""
    kinds: dict[str, RemovedFiles] = {}
    for kind, name, size in _removed(uri, spec):
        kinds.setdefault(kind, RemovedFiles(kind)).add(name, size)
    return list(kinds.values())


def _removed(uri: Uri, spec: VolumeSpec) -> Iterator[tuple[str, str, int | None]]:
    """Yield kind, name and bytes of each file, or of what stands for files in a store that has none."""
    store = get_remote(uri.scheme)
    if not isinstance(store, SupportsRecognise):
        yield "volume", str(uri), None
        return
    path = removed_path(uri)
    if isinstance(store, SupportsListedFiles):
        yield from _files(store.listed_files(uri))
    elif isinstance(store, SupportsFileParts) and (parts := store.file_parts(uri)) and parts[0] != Path(path.path):
        yield f"dataset in {parts[0].name}", parts[1], spec.domain.size * spec.dtype.itemsize
    elif isinstance(store, SupportsOwnFiles):
        yield from _folder(path)
    else:
        yield from _files([Path(path.path)])
    lock = lock_path(uri)
    if lock is not None and lock.exists():
        yield "lock of a transfer", lock.name, lock.size()


def _files(files: Iterable[Path]) -> Iterator[tuple[str, str, int | None]]:
    for file in files:
        yield "file", file.name, LocalPath(str(file)).size()


def _folder(path: StoragePath) -> Iterator[tuple[str, str, int | None]]:
    markers = {*marker_files(), "attributes.json", "knossos.conf"}
    remains = re.compile(LEFT_OVER)
    for name in path.walk():
        top, inside, _ = name.partition("/")
        if remains.fullmatch(name):
            kind = "records and remains of writers"
        elif name.rpartition("/")[2] in markers:
            kind = "metadata"
        else:
            kind = f"files in {top}/" if inside else "other files of the volume"
        yield kind, name, (path / name).size()
