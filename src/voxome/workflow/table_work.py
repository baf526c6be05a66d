"""The folder beside a table in which blocks keep what they compute, and what says whose it is."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from voxome.contracts.formats import PRIVATE
from voxome.contracts.json_text import json_text
from voxome.errors import AlreadyExists, VoxomeError
from voxome.storage.json_store import read_json, to_json
from voxome.storage.lock import lock_store
from voxome.storage.path import StoragePath

_RECORD = f"{PRIVATE}/table.json"


@contextmanager
def work_folder(
    files: Sequence[StoragePath],
    request: Mapping[str, Any],
    *,
    overwrite: bool,
    finished: Collection[StoragePath] = (),
) -> Iterator[StoragePath]:
    """Yield the folder ``<table>.run``, locked; it is removed at the end, and stays after a failure if it has results.

    Parameters
    ----------
    files : sequence of StoragePath
        What the call writes, the table beside which the folder is first.
    request : mapping of str to JSON values
        What is computed. A call that was interrupted may write its files again without `overwrite`; it is known by
        this.
    overwrite : bool
        Whether to replace existing files.
    finished : collection of StoragePath
        Files that an earlier call for the same has written, which may be written again.

    Raises
    ------
    AlreadyExists
        If one of the files exists, or the folder has something else; then nothing is changed.
    RunLocked
        If another call uses the folder.
    """
    table = files[0]
    folder = work_path(table)
    found = read_json(folder, _RECORD)
    if found is None and folder.taken():
        raise AlreadyExists(
            f"{folder} is where blocks of {table.name} would be kept, and has something else; move it away, or choose "
            "another name for the table"
        )
    record = {"request": dict(request), "files": [str(file) for file in files]}
    begun = found["files"] if found is not None and found.get("request") == record["request"] else []
    taken = [str(file) for file in files if str(file) not in begun and file not in finished and file.exists()]
    if taken and not overwrite:
        raise AlreadyExists(f"{taken[0]} already exists; choose another name, delete it, or use --overwrite")
    text = to_json(record, str(folder / _RECORD))
    if found is None:
        folder.put_new({_RECORD: text})
    owner = hashlib.sha256(json_text(record["request"], str(folder), sort_keys=True).encode()).hexdigest()
    try:
        with lock_store(folder, owner, f"{socket.gethostname()}:{table}"):
            (folder / _RECORD).write_bytes(text)
            yield folder
            folder.delete()
    except BaseException:
        with suppress(VoxomeError):
            _remove_if_unused(folder)
        raise


def work_path(table: StoragePath) -> StoragePath:
    """Return the folder in which blocks of a table keep what they compute; it is there as long as they do."""
    assert table.parent is not None, "a table is a file in a folder"
    return table.parent / f"{table.name}.run"


def _remove_if_unused(folder: StoragePath) -> None:
    """Remove a folder in which there is only the record."""
    if folder.names() == [PRIVATE] and (folder / PRIVATE).names() == [_RECORD.rpartition("/")[2]]:
        folder.delete()
