"""Progress of a transfer, kept between calls: a folder with a ledger, a lock and a few facts."""

from __future__ import annotations

import hashlib
import logging
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from voxome.contracts.formats import PRIVATE, TRANSFER
from voxome.contracts.json_text import json_text
from voxome.contracts.records import Ledger, RecordStore
from voxome.errors import AccessDenied, AlreadyExists, RunLocked, StoreError
from voxome.geometry import Box
from voxome.records.choice import OpenRecords
from voxome.records.folder import lock_folder, map_disk_errors, read_json_or_none, write_json
from voxome.services.transfer.blocks import Blocks
from voxome.storage.atomic import replacing
from voxome.storage.lock import HeldLock, lock_file
from voxome.storage.path import StoragePath
from voxome.storage.probe import write_problem

FACTS = "transfer.json"
_LOG = logging.getLogger(__name__)


class State:
    """Progress of one transfer, locked by this process.

    Parameters
    ----------
    folder : path
        Folder of this transfer.
    request : mapping
        Source, destination, box and options, which identify the transfer.
    records : RecordStore
        Ledger.
    lock : HeldLock, optional
        Lock of the destination in its store.
    """

    def __init__(
        self, folder: Path, request: Mapping[str, Any], records: RecordStore, lock: HeldLock | None = None
    ) -> None:
        self.folder, self._request, self._records, self._lock = folder, request, records, lock
        stored = read_json_or_none(folder / FACTS)
        self.facts = {} if stored is None else TRANSFER.content(stored, folder / FACTS)

    @property
    def ledger(self) -> Ledger:
        """Ledger of the jobs that are done."""
        return self._records

    @property
    def begun(self) -> bool:
        """Whether an earlier call has started this transfer."""
        return bool(self.facts)

    def keep(self, **facts: Any) -> None:
        """Update and store the facts."""
        self.facts = {"request": self._request, **self.facts, **facts}
        write_json(self.folder / FACTS, TRANSFER.stamp(self.facts))

    def mark_unfinished(self, box: Box, *, new: bool = False) -> None:
        """Mark a box of the destination as not filled, until `mark_finished`; of a new one, nothing else is marked."""
        if self._lock is not None:
            others = [] if new else [one for one in self._lock.unfinished if one != str(box)]
            self._lock.keep([*others, str(box)])

    def mark_finished(self, box: Box) -> None:
        """Remove the mark of a box that is filled, or was not touched, and of all boxes inside it."""
        if self._lock is not None:
            self._lock.keep([one for one in self._lock.unfinished if Box.parse(one) not in box])

    @property
    def marks(self) -> list[str]:
        """Boxes of the destination that are marked as not filled."""
        return [] if self._lock is None else self._lock.unfinished

    def restore_marks(self, marks: Sequence[str]) -> None:
        """Set the marks to those that there were before, as nothing was written since."""
        if self._lock is not None:
            self._lock.keep(marks)

    def begin(self, copies: Sequence[Blocks], *, verify_again: bool = False) -> None:
        """Resume the copies, or start them if the transfer is new.

        Parameters
        ----------
        copies : sequence of Blocks
            All copies and levels of the transfer.
        verify_again : bool
            Whether blocks that were read back are to be read back again.
        """
        for copy in copies:
            if "copies" not in self.facts:
                self._records.forget(copy.key)
            if "copies" not in self.facts or verify_again:
                self._records.forget(copy.verified_key)
        self.keep(copies=[copy.key for copy in copies], complete=False)

    def forget(self) -> None:
        """Forget all progress."""
        self.facts = {}
        (self.folder / FACTS).unlink(missing_ok=True)

    def restart(self) -> None:
        """Forget the blocks that are done; the target remains that of this transfer."""
        self.facts = {name: value for name, value in self.facts.items() if name in ("request", "target")}

    def check(self, fact: str, name: str, token: str) -> None:
        """Check that a version token is the recorded one.

        Raises
        ------
        AlreadyExists
            If it differs.
        """
        recorded = self.facts.get(fact)
        if recorded not in (None, token):
            raise AlreadyExists(
                f"{name} has changed since this transfer started: remove the destination, or copy everything again "
                "with existing=True (--existing)"
            )


@contextmanager
def locked_state(
    root: Path,
    request: Mapping[str, Any],
    open_records: OpenRecords,
    lock: StoragePath | None = None,
    work: str = "transfer",
) -> Iterator[State]:
    """Open the state of a transfer and lock its destination against other transfers.

    Parameters
    ----------
    root : path
        Folder for the progress of all transfers.
    request : mapping
        Source, destination, box and options, which identify the transfer.
    open_records : callable
        Opens the ledger.
    lock : StoragePath, optional
        File that locks the destination against transfers of other machines.
    work : str
        What it is locked for: ``transfer``, ``downsampling`` or ``export``.

    Raises
    ------
    RunLocked
        If another transfer to the destination is running.
    StoreError
        If the folder cannot be written.
    """
    destination = str(request["destination"])
    parent = root / _digest(destination.partition("?")[0])
    folder = parent / _digest(json_text(request, "the transfer", sort_keys=True))
    with (
        map_disk_errors(parent),
        _lock(parent, destination),
        _removed_if_unused(parent),
        _lock_store(lock, parent, destination, work) as held,
    ):
        (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
        begun = False
        try:
            with open_records(folder / PRIVATE, "transfer") as records:
                state = State(folder, request, records, held)
                try:
                    yield state
                finally:
                    begun = state.begun
        finally:
            if not begun:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: Path, destination: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_folder(folder))
        except RunLocked as error:
            raise RunLocked(
                f"Another transfer to {destination} is running ({error.holder}): wait for it, or stop it",
                holder=error.holder,
            ) from error
        yield


@contextmanager
def _lock_store(file: StoragePath | None, folder: Path, destination: str, work: str) -> Iterator[HeldLock | None]:
    """Lock a destination by a file in its store; a warning is logged if the file cannot be written."""
    if file is None:
        yield None
        return
    holder = f"{socket.gethostname()}:{folder}"
    missing = [folder for folder in Path(file.path).parents if not folder.exists()] if file.is_local else []
    with ExitStack() as stack:
        stack.callback(_remove_empty, missing)
        held = None
        try:
            held = stack.enter_context(lock_file(file, destination, work, owner=_owner(folder), holder=holder))
        except (AccessDenied, StoreError) as error:
            _LOG.warning(
                "%s is not locked against transfers of other machines: %s",
                destination,
                (write_problem(file) if file.is_local else None) or error,
            )
        yield held


def _owner(folder: Path) -> str:
    """Return the id of the transfers whose state is in a folder, also after it was moved."""
    path = folder / PRIVATE / "owner"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(uuid4().hex, encoding="ascii")
    return path.read_text(encoding="ascii")


@contextmanager
def _removed_if_unused(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        if [path.name for path in folder.iterdir()] == [PRIVATE]:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that the lock has created and that nothing else uses, the innermost first."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
