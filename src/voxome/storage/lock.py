"""A lock in a store, for runs whose results are not in their own folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from voxome.contracts.formats import PRIVATE
from voxome.errors import RunLocked, StoreError
from voxome.storage.path import StoragePath

_ATTEMPTS = 5


@contextmanager
def lock_store(path: StoragePath, owner: str, holder: str) -> Iterator[None]:
    """Lock the folder `path` of a store for one run.

    The lock is a small file, written only if it does not exist. It stays when the process is killed; the run
    with the same `owner` takes it up again.

    Parameters
    ----------
    path : StoragePath
        Folder of the results.
    owner : str
        Unique and constant for the run.
    holder : str
        Who holds the lock, for people: host and run folder.

    Raises
    ------
    RunLocked
        If another run holds it.
    """
    file = path / PRIVATE / "lock.json"
    _acquire(file, path, owner, holder)
    try:
        yield
    finally:
        with suppress(StoreError):
            if _owner_of(file.read_bytes()) == owner:
                file.unlink()


def _acquire(file: StoragePath, path: StoragePath, owner: str, holder: str) -> None:
    for _ in range(_ATTEMPTS):
        if file.change_file(_unless_held(file, path, owner, holder)):
            return
    raise RunLocked(f"{path} is being locked by several runs at once; rerun to try again")


def _unless_held(file: StoragePath, path: StoragePath, owner: str, holder: str) -> Callable[[bytes | None], bytes]:
    def change(old: bytes | None) -> bytes:
        if old is not None and _owner_of(old) != owner:
            raise RunLocked(
                f"{path} is in use by the run of {_read(old).get('holder', 'an unknown holder')}; wait for it, use "
                f"another store, or, if that run has ended, remove {file}"
            )
        return json.dumps({"owner": owner, "holder": holder}).encode()

    return change


def _owner_of(text: bytes | None) -> str | None:
    return None if text is None else _read(text).get("owner")


def _read(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
