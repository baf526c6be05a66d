"""The folder of work that can be interrupted and resumed: its lock, its JSON files, errors of its disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from voxome.contracts.formats import PRIVATE
from voxome.contracts.json_text import json_text, parse_object
from voxome.errors import RunLocked, StoreError, VoxomeError
from voxome.storage.atomic import swapping

_ATTEMPTS = 10
_ADVICE = "free some space or fix the disk, and rerun; finished blocks are kept"


@contextmanager
def map_disk_errors(folder: Path) -> Iterator[None]:
    """Name `folder` in errors of the disk.

    Raises
    ------
    StoreError
    """
    try:
        yield
    except VoxomeError:
        raise
    except OSError as error:
        what = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
        raise StoreError(f"Cannot write to {folder}: {what}; {_ADVICE}") from error


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a run folder for this process, which may remove the folder before it unlocks it.

    Raises
    ------
    RunLocked
        If another process has locked it.
    StoreError
        If the folder cannot be created, or the disk is full.
    """
    with _acquire(folder) as lock:
        with map_disk_errors(folder):
            lock.truncate(0)
            os.write(lock.fileno(), b"%d" % os.getpid())  # no buffer, which closing the file would write again
        yield


def _acquire(folder: Path) -> TextIO:
    """Return the locked file; a file that its holder removed meanwhile locks nothing, and is tried again."""
    file = folder / PRIVATE / "lock"
    for _ in range(_ATTEMPTS):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = file.open("a+", encoding="ascii")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(
                f"Cannot create the run folder {folder}: {error.strerror}; choose a folder that can be written to"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock.fileno()).st_nlink:
                return lock
            lock.close()
        except OSError as error:
            lock.seek(0)
            pid = lock.read().strip()
            lock.close()
            holder = f"process {pid}" if pid else "another process"
            raise RunLocked(
                f"{folder} is in use by another run ({holder}); wait for it, end it, or choose another folder",
                holder=holder,
            ) from error
    raise StoreError(f"Cannot create {file}: its folder is removed again and again; rerun, or choose another folder")


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Write a JSON file atomically.

    Raises
    ------
    InvalidInput
        If JSON cannot store a value.
    """
    text = json_text(data, str(path), indent=1) + "\n"
    with swapping(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json_or_none(path: Path) -> dict[str, Any] | None:
    """Return what `write_json` wrote; None if the file is missing or is not a JSON object."""
    try:
        return parse_object(path.read_bytes())
    except FileNotFoundError:
        return None
