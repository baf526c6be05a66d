"""Locks in a store, for work that may be started on several machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from voxome.contracts.formats import PRIVATE
from voxome.contracts.json_text import parse_object
from voxome.errors import RunLocked, VoxomeError
from voxome.storage.path import StoragePath

_ATTEMPTS = 5
_LOG = logging.getLogger(__name__)


def lock_store(path: StoragePath, owner: str, holder: str) -> AbstractContextManager[None]:
    """Lock the folder `path` of a store for one run; see `lock_file`."""
    return lock_file(path / PRIVATE / "lock.json", str(path), "run", owner=owner, holder=holder)


@contextmanager
def lock_file(file: StoragePath, name: str, work: str, *, owner: str, holder: str) -> Iterator[None]:
    """Lock something in a store by a small file, which is written only if it does not exist.

    The file stays when the process is killed; the work with the same `owner` takes it up again.

    Parameters
    ----------
    file : StoragePath
        The file.
    name, work : str
        What is locked, and for what: ``run`` or ``transfer``.
    owner : str
        Unique and constant for the work.
    holder : str
        Who holds the lock, for people: host and folder.

    Raises
    ------
    RunLocked
        If another owner holds it.
    """

    def take(old: bytes | None) -> bytes:
        lock = {} if old is None else parse_object(old) or {}
        if old is not None and lock.get("owner") != owner:
            raise RunLocked(
                f"{name} is in use by the {work} of {lock.get('holder', 'an unknown holder')}; wait for it, use "
                f"another address, or, if that {work} has ended, remove {file}"
            )
        return json.dumps({"owner": owner, "holder": holder}).encode()

    if not any(file.change_file(take) for _ in range(_ATTEMPTS)):
        raise RunLocked(f"{name} is being locked by several {work}s at once; rerun to try again")
    try:
        yield
    finally:
        _release(file, name, owner)


def _release(file: StoragePath, name: str, owner: str) -> None:
    """Remove the file of a lock; the work is done by now, so a warning is logged where that fails."""
    try:
        text = file.read_bytes()
        if text is not None and (parse_object(text) or {}).get("owner") == owner:
            file.unlink()
    except VoxomeError as error:
        _LOG.warning("%s stays locked by %s, which could not be removed: %s", name, file, error)
