"""Pieces of levels, kept in files until the levels are put together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from voxome.contracts.formats import PRIVATE
from voxome.services.transfer.endpoint import Endpoint
from voxome.storage.array_file import SUFFIX, read_arrays, write_arrays
from voxome.storage.path import StoragePath


class Scratch:
    """Arrays in files of a folder, in any store.

    Parameters
    ----------
    folder : StoragePath
        The folder.
    """

    def __init__(self, folder: StoragePath) -> None:
        self._folder = folder

    def write(self, group: str, number: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays, atomically; they replace those of an earlier attempt."""
        write_arrays(self._file(group, number), arrays)

    def read(self, group: str, number: int) -> dict[str, NDArray[Any]]:
        """Return arrays that a finished job has written.

        Raises
        ------
        CorruptData
            If they are gone, or damaged.
        """
        return read_arrays(self._file(group, number), "compute the levels again with existing=True (--existing)")

    def delete(self) -> None:
        """Remove the folder."""
        self._folder.delete()

    def _file(self, group: str, number: int) -> StoragePath:
        return self._folder / f"{group}/{number}{SUFFIX}"


def scratch_address(volume: Endpoint, folder: Path) -> str:
    """Return the address of the folder for pieces: beside the volume, where all workers find it, if there is a place.

    Parameters
    ----------
    volume : Endpoint
        The volume with the levels.
    folder : path
        Folder for progress, for volumes whose store has no place.
    """
    lock = volume.lock
    if lock is None or lock.parent is None or volume.has_secrets:
        return str(folder / PRIVATE / "levels")
    return (lock.parent / f"{lock.name.removesuffix('-lock')}-levels").address


def group_of_level(level: int) -> str:
    """Return the group of the files with the pieces of a level."""
    return f"level{level}"


def group_of_cells(level: int) -> str:
    """Return the group of the files with the cells of a level, which a later pass needs."""
    return f"cells{level}"


def group_of_ids(level: int) -> str:
    """Return the group of the files with the ids of the levels of the pass that begins with `level`."""
    return f"ids{level}"
