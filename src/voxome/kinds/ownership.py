"""The step that an output belongs to: nothing else is overwritten or removed."""

from __future__ import annotations

import hashlib
import json

from voxome.contracts.formats import FILE, PRIVATE
from voxome.contracts.json_text import parse_object
from voxome.contracts.kinds import Target
from voxome.errors import AlreadyExists
from voxome.storage.find import storage_at
from voxome.storage.json_store import read_document
from voxome.storage.path import StoragePath

FOREIGN = ""
"""Stands for the key of the step of data that no step has written."""


def require_own(target: Target, owner: str | None) -> None:
    """Refuse to write where there are data of others.

    Parameters
    ----------
    target : Target
        What is to be written.
    owner : str or None
        Key of the step that the data at ``target.uri`` belong to, or `FOREIGN`; None if nothing is there.

    Raises
    ------
    AlreadyExists
        If it is another step than that of `target`.
    """
    if owner not in (None, target.key):
        unmarked = "not marked as the result of a run (foreign, edited or damaged)"
        state = "the result of another run" if owner else unmarked
        raise AlreadyExists(f"{target.uri} is {state}; choose another folder, or remove it")


def require_still_own(target: Target, owner: str | None) -> None:
    """Refuse to write on where another call has replaced the output that this step has begun.

    Parameters
    ----------
    target : Target
        What is written.
    owner : str or None
        As of `require_own`.

    Raises
    ------
    AlreadyExists
        If it is not the step of `target`.
    """
    if owner != target.key:
        raise AlreadyExists(
            f"{target.uri} was replaced or removed by another call while {target.tool} wrote there; what is there now "
            "is left as it is: choose another place for one of the two"
        )


def write_own_file(target: Target, data: bytes) -> None:
    """Write an output that is one file, and record beside it which step it belongs to.

    The record, in the folder ``.voxome/files`` beside the file, has the digest of the content, so that a file that was
    replaced since belongs to nobody. It is written first: an interruption leaves no file without one.

    Raises
    ------
    AlreadyExists
        If there is a file that belongs to another step, or to none.
    """
    path = storage_at(target.uri)
    require_own(target, file_owner(path))
    path.unlink()
    _record_of(path).write_bytes(json.dumps(FILE.stamp({"step_key": target.key, "sha256": _digest(data)})).encode())
    path.write_bytes(data)


def remove_own_file(target: Target) -> None:
    """Remove a file that `write_own_file` has written for this step; leave any other."""
    path = storage_at(target.uri)
    if file_owner(path) == target.key:
        path.unlink()
        _record_of(path).unlink()


def file_owner(path: StoragePath) -> str | None:
    """Return the key of the step that has written a file, `FOREIGN` if none has, or None if the file is missing.

    Raises
    ------
    UnsupportedFormat
        If its record is of another version.
    """
    data = path.read_bytes()
    if data is None:
        return None
    record = _record_of(path)
    text = read_document(record)
    stored = None if text is None else parse_object(text)
    content = FILE.content(stored, record) if stored else {}
    return str(content.get("step_key", FOREIGN)) if content.get("sha256") == _digest(data) else FOREIGN


def _record_of(path: StoragePath) -> StoragePath:
    folder = path.parent
    assert folder is not None
    return folder / PRIVATE / "files" / f"{path.name}.json"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
