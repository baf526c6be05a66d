"""The folder of work that may be interrupted: its lock, its JSON files, and what is told when it cannot be written."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DatabaseError

from voxome.errors import RunLocked, StoreError, VoxomeError

PRIVATE = ".voxome"
"""The folder, in the run folder, of what is not a result."""
_THEN = "make room or mend it, and give the same command again: what is done stays done"


@contextmanager
def map_disk_errors(folder: Path) -> Iterator[None]:
    """Tell of a disk or ledger that fails while `folder` is written to.

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
        raise StoreError(f"cannot write to {folder}: {what}; {_THEN}") from error
    except DatabaseError as error:
        raise StoreError(
            f"the ledger in {folder / PRIVATE} cannot be read or written: {error.orig}; make room if the disk is full, "
            f"else remove {folder}, and give the same command again"
        ) from error


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process.

    Raises
    ------
    RunLocked
        If another process holds it.
    """
    try:
        (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the run folder {folder}: {error.strerror}; choose a folder that can be written to"
        ) from error
    with (folder / PRIVATE / "lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise RunLocked(
                f"{folder} is held by a run under way (process {holder}); wait for it, end it, or choose another folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file that is there whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(data, indent=1, default=str) + "\n", encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """What `write_json` wrote; None if it is not there or makes no sense."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
