"""Datasets that are written beside the one that they will replace, under names that tell whose they are."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from voxome.contracts.source import VolumeSource
from voxome.errors import StoreError, VoxomeError
from voxome.geometry import BlockGrid
from voxome.remotes.hdf5_file import open_file
from voxome.storage.atomic import require_space, storing
from voxome.storage.temporary_names import OWNER, is_abandoned, new_owner, remove_abandoned, temporary_path

_PART = re.compile(rf"\.(?P<name>.+)\.(?P<owner>{OWNER.pattern})\.part")
_NAMES_WRITERS = 3
"""Version of the superblock from which on a file that a killed process has written cannot be opened."""
_SLAB_BYTES = 1 << 26
"""Memory for the voxels that are read back at once, unless a slab of chunks has more."""


def part_path(inner: str) -> str:
    """Return a new path for a dataset that will replace the one at path `inner`.

    Examples
    --------
    >>> part_path("a/b").startswith("a/.b."), is_part(part_path("a/b")), is_part("a/b")
    (True, True, False)
    """
    group, _, name = inner.rpartition("/")
    return f"{group}/.{name}.{new_owner()}.part".lstrip("/")


def is_part(path: str) -> bool:
    """Return whether a dataset was written to replace another, and has not done so yet."""
    return _PART.fullmatch(path.rpartition("/")[2]) is not None


@contextmanager
def replacement(file: Path, inner: str, open_source: Callable[[Path, str], VolumeSource]) -> Iterator[str]:
    """Replace a dataset by another one, when that is complete and was read back.

    It is written beside the other one, or, where HDF5 marks files while they are written, in a copy of the file. A
    link to the file stays.

    Parameters
    ----------
    file : path
        The file.
    inner : str
        Path of the dataset in it.
    open_source : callable
        Opens the dataset of a file at a path, to read it back.

    Yields
    ------
    str
        Path of the file, and in it, where to create the other one.

    Raises
    ------
    StoreError
        If somebody has changed the file while it was copied, and their changes would be lost.
    """
    file = file.resolve()
    with open_file(file) as h5:
        names_writers = h5.id.get_create_plist().get_version()[0] >= _NAMES_WRITERS
    if not names_writers:
        with _part(file, inner, open_source) as part:
            yield f"{file}/{part}"
        return
    with storing(file):
        remove_abandoned(file)
    copy = temporary_path(file)
    try:
        with storing(file), open_file(file):  # nobody writes meanwhile
            before = _state(file)
            require_space(file, file.stat().st_size)
            shutil.copy2(file, copy)
        with _part(copy, inner, open_source) as part:
            yield f"{copy}/{part}"
        with storing(file), open_file(file):
            if _state(file) != before:
                raise StoreError(
                    f"{file} was changed while {inner} was written in a copy of it; the changes and the old {inner} "
                    "are kept: write it again while nobody changes the file"
                )
            copy.replace(file)
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def _part(file: Path, inner: str, open_source: Callable[[Path, str], VolumeSource]) -> Iterator[str]:
    """Yield the path of a dataset, and put it in the place of another of the same file if the body succeeds."""
    with storing(file), open_file(file, "r+") as h5:
        _remove_abandoned_parts(h5, inner)
    part = part_path(inner)
    yield part
    try:
        _read_all(open_source(file, part))
        with storing(file):
            _flush(file)
            with open_file(file, "r+") as h5:
                _swap(h5, part, inner)
            _flush(file)
    except BaseException:
        with suppress(VoxomeError), storing(file), open_file(file, "r+") as h5:
            if part in h5:
                del h5[part]
        raise


def _remove_abandoned_parts(h5: h5py.File, inner: str) -> None:
    """Remove what killed processes left that were to replace the dataset at path `inner`."""
    path, _, name = inner.rpartition("/")
    group = h5[path or "/"]
    for one in list(group):
        found = _PART.fullmatch(one)
        if found is not None and found["name"] == name and is_abandoned(found["owner"]):
            del group[one]


def _state(file: Path) -> tuple[int, int, int]:
    """Return the state of a file, which differs after a change."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read_all(source: VolumeSource) -> None:
    """Read all voxels, a slab of chunks at a time; a chunk that cannot be decoded is an error."""
    domain = source.spec.domain
    section = math.prod(domain.shape[1:]) * source.spec.dtype.itemsize
    chunk = (source.spec.read_chunk or domain.shape)[0]
    rows = chunk * max(1, _SLAB_BYTES // max(1, chunk * section))
    for block in BlockGrid(domain, (min(rows, domain.shape[0]), *domain.shape[1:])):
        source.read(block.write)


def _flush(file: Path) -> None:
    """Wait until a file is on its disk."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _swap(h5: h5py.File, part: str, inner: str) -> None:
    """Put a complete dataset in the place of the one at path `inner`."""
    del h5[inner]
    h5.move(part, inner)
    h5.flush()
