"""Whether a place can be written to, found out before any work by a file that is removed at once."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from voxome.errors import ReadOnly, VoxomeError
from voxome.storage.path import StoragePath


def write_problem(path: StoragePath) -> str | None:
    """Return why a new file or folder cannot be written at a path; None if it can.

    A file beside it tells, on this machine in the nearest folder that exists: no folder is created.
    """
    if path.parent is None:
        return None
    beside = path.parent
    while beside.is_local and beside.parent is not None and not Path(beside.path).exists():
        beside = beside.parent
    if beside.is_local and not Path(beside.path).is_dir():
        return f"{beside} is a file, not a folder"
    probe = beside / f".{path.name}.{uuid4().hex}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except VoxomeError as error:
        return str(error).replace(str(probe), str(path))
    return None


def require_write_access(path: StoragePath, name: str) -> None:
    """Refuse a path at which nothing can be written; `name` stands for it in the message.

    Raises
    ------
    ReadOnly
        If nothing can.
    """
    if (problem := write_problem(path)) is not None:
        raise ReadOnly(f"{name} cannot be written: {problem}; choose another destination")
