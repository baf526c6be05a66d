"""Locks in a store, for work that may be started on several machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field

from voxome.contracts.formats import PRIVATE
from voxome.contracts.json_text import parse_object
from voxome.errors import RunLocked, VoxomeError
from voxome.storage.path import StoragePath

_ATTEMPTS = 5
_LOG = logging.getLogger(__name__)


def lock_store(path: StoragePath, owner: str, holder: str) -> AbstractContextManager[HeldLock]:
    """Lock the folder `path` of a store for one run; see `lock_file`."""
    return lock_file(path / PRIVATE / "lock.json", str(path), "run", owner=owner, holder=holder)


@dataclass
class LockRecord:
    """Content of the file of a lock.

    Attributes
    ----------
    owner : str or None
        Unique and constant for the work; None if the file is damaged.
    holder : str
        Who holds the lock, for people.
    unfinished : list of str
        Parts of what is locked that the work has begun and not finished; with any, the file stays.
    work : str
        What it is locked for: ``run``, ``transfer``, ``downsampling`` or ``export``.
    """

    owner: str | None
    holder: str = "an unknown holder"
    unfinished: list[str] = field(default_factory=list)
    work: str = "transfer"

    @classmethod
    def parse(cls, text: bytes | None) -> LockRecord | None:
        """Return the content of a file; None if there is no file."""
        if text is None:
            return None
        data = parse_object(text) or {}
        unfinished = data.get("unfinished")
        parts = [str(part) for part in unfinished] if isinstance(unfinished, list) else []
        return cls(data.get("owner"), data.get("holder", cls.holder), parts, data.get("work", cls.work))


class HeldLock:
    """A lock that this process holds.

    Parameters
    ----------
    file : StoragePath
        Its file.
    record : LockRecord
        The content of the file.
    """

    def __init__(self, file: StoragePath, record: LockRecord) -> None:
        self._file, self._record = file, record

    @property
    def unfinished(self) -> list[str]:
        """Parts of what is locked that are not finished."""
        return list(self._record.unfinished)

    def keep(self, unfinished: Sequence[str]) -> None:
        """Store which parts are not finished; while there are any, the lock outlives this process."""
        if list(unfinished) != self._record.unfinished:
            self._record.unfinished = list(unfinished)
            self._file.write_bytes(json.dumps(asdict(self._record)).encode())


@contextmanager
def lock_file(file: StoragePath, name: str, work: str, *, owner: str, holder: str) -> Iterator[HeldLock]:
    """Lock something in a store by a small file, which is written only if it does not exist.

    The file stays when the process is killed, and as long as parts are not finished; the work with the same `owner`
    takes it up again.

    Parameters
    ----------
    file : StoragePath
        The file.
    name, work : str
        What is locked, and for what: ``run``, ``transfer``, ``downsampling`` or ``export``.
    owner : str
        Unique and constant for the work.
    holder : str
        Who holds the lock, for people: host and folder.

    Raises
    ------
    RunLocked
        If another owner holds it.
    """
    record = LockRecord(owner, holder, work=work)

    def take(text: bytes | None) -> bytes:
        old = LockRecord.parse(text)
        if old is not None and old.owner != owner:
            raise RunLocked(
                f"{name} is in use by the {old.work} of {old.holder}; wait for it, use another address, or, if that "
                f"{old.work} has ended, remove {file}"
            )
        record.unfinished = [] if old is None else old.unfinished
        return json.dumps(asdict(record)).encode()

    if not any(file.change_file(take) for _ in range(_ATTEMPTS)):
        raise RunLocked(f"{name} is being locked by several {work}s at once; rerun to try again")
    try:
        yield HeldLock(file, record)
    finally:
        if not record.unfinished:
            _release(file, name, owner)


def _release(file: StoragePath, name: str, owner: str) -> None:
    """Remove the file of a lock; the work is done by now, so a warning is logged where that fails."""
    try:
        record = LockRecord.parse(file.read_bytes())
        if record is not None and record.owner == owner:
            file.unlink()
    except VoxomeError as error:
        _LOG.warning("%s stays locked by %s, which could not be removed: %s", name, file, error)
