"""Folders with a file for each mesh or skeleton, called by its id: ``1004.ply``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from os import DirEntry, scandir
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.arguments import require_id
from voxome.contracts.formats import PRIVATE
from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import RECORD
from voxome.contracts.source import ResourceInfo
from voxome.errors import NotFound
from voxome.remotes.provenance_json import read_attributes, with_entry
from voxome.storage.json_store import read_json, update_json
from voxome.storage.path import StoragePath

SIDECAR = "voxome.json"
"""File with what made the others."""
_LIMIT = 1 << 64
_COMPANIONS = ("", ".csv", ".json", ".md", ".tsv", ".txt")
"""Suffixes of files that explain a folder of shapes."""
_LEFT_OVER = (re.escape(PRIVATE), r"\..*\.part", r".*\.__lock")
"""Names of the folder of records, and of what killed writers leave, as regular expressions."""


class ShapeFiles:
    """Files of a folder by id.

    Parameters
    ----------
    folder : StoragePath
        Contains the files.
    suffixes : sequence of str
        Ends of their names, in the order in which they are looked for.
    name : str
        URI, for messages.
    """

    def __init__(self, folder: StoragePath, suffixes: Sequence[str], name: str) -> None:
        self.folder, self.suffixes, self.name = folder, suffixes, name

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all files, sorted.

        Raises
        ------
        UnsupportedFormat
            If the store cannot list them.
        """
        matches = (self._pattern.fullmatch(name) for name in self.folder.names())
        numbers = {int(match[1]) for match in matches if match}
        return np.array(sorted(number for number in numbers if number < _LIMIT), np.uint64)

    def read(self, id: int) -> tuple[str, bytes]:
        """Return name and content of the file of an id.

        Raises
        ------
        NotFound
            If there is none.
        """
        names = [f"{require_id('id', id)}{suffix}" for suffix in self.suffixes]
        for name, data in zip(names, self.folder.read_all(names), strict=True):
            if data is not None:
                return f"{self.folder}/{name}", data
        raise NotFound(f"{self.name} has no file {' or '.join(names)}")

    def foreign_names(self) -> Sequence[str]:
        """Return the names of all other files and folders; see `names_of_others`."""
        return names_of_others(self.folder, (self._pattern.pattern, re.escape(SIDECAR)))

    def list(self, noun: str) -> Iterator[ResourceInfo]:
        """List the folder as one resource."""
        count = len(self.ids())
        if count:
            yield ResourceInfo(self.name, noun, f"{count:,} {'file' if count == 1 else 'files'}")

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what made the files, as ``voxome.json`` says."""
        return read_attributes(read_json(self.folder, SIDECAR) or {})

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to ``voxome.json``, and keep the others."""
        update_json(self.folder, SIDECAR, lambda old: with_entry(old, one, self.folder / SIDECAR))

    def finish(self, provenance: Provenance | None) -> None:
        """Complete the folder, after all files are written; may be repeated."""
        if provenance is None:
            update_json(self.folder, SIDECAR, lambda old: old)
        elif provenance not in self.read_provenance():
            self.add_provenance(provenance)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(\d{{1,20}})({'|'.join(map(re.escape, self.suffixes))})")


def is_shape_folder(path: Path, suffixes: Sequence[str]) -> bool:
    """Return whether a local folder has files called by ids, and beside them at most files that explain these."""
    if not path.is_dir():
        return False
    found = False
    with scandir(path) as entries:
        for entry in entries:
            name = PurePath(entry.name)
            if name.name.startswith("."):
                continue
            if not (name.suffix in suffixes or name.suffix.lower() in _COMPANIONS) or not _is_file(entry):
                return False
            found = found or (name.suffix in suffixes and name.stem.isdecimal())
    return found


def _is_file(entry: DirEntry[str]) -> bool:
    """Return whether an entry of a folder is a file; links in circles are none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def names_of_others(folder: StoragePath, own: Iterable[str]) -> Sequence[str]:
    """Return the names in a folder, sorted, that are none of `own`, regular expressions, nor left over by writers."""
    if not folder.taken():
        return []
    pattern = re.compile("|".join((*own, *_LEFT_OVER)))
    return [name for name in folder.names() if not pattern.fullmatch(name)]


def require_new(folder: StoragePath, name: str) -> None:
    """Refuse a folder in which there is anything, unless it belongs to a run, which has checked so.

    Raises
    ------
    AlreadyExists
        If there is anything.
    """
    if not (folder / RECORD).exists():
        folder.must_be_free(name)
