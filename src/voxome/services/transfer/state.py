"""Progress of a transfer, kept between calls: a folder with a ledger, a lock and a few facts."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from voxome.contracts.formats import PRIVATE, TRANSFER
from voxome.contracts.json_text import json_text
from voxome.contracts.records import Ledger, RecordStore
from voxome.errors import AlreadyExists, RunLocked
from voxome.records.choice import OpenRecords
from voxome.records.folder import lock_folder, map_disk_errors, read_json, write_json

FACTS = "transfer.json"


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
    """

    def __init__(self, folder: Path, request: Mapping[str, Any], records: RecordStore) -> None:
        self.folder, self._request, self._records = folder, request, records
        stored = read_json(folder / FACTS)
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

    def begin(self, copies: Sequence[str]) -> None:
        """Resume the copies with these keys, or start them if the transfer is new."""
        if "copies" not in self.facts:
            for key in copies:
                self._records.forget(key)
        self.keep(copies=list(copies), complete=False)

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
def locked_state(root: Path, request: Mapping[str, Any], open_records: OpenRecords) -> Iterator[State]:
    """Open the state of a transfer and lock its destination against other transfers.

    Raises
    ------
    RunLocked
        If another transfer to the destination, with its state under `root`, is running.
    StoreError
        If the folder cannot be written.
    """
    destination = str(request["destination"])
    parent = root / _digest(destination.partition("?")[0])
    folder = parent / _digest(json_text(request, "the transfer", sort_keys=True))
    with map_disk_errors(parent), _lock(parent, destination):
        try:
            (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
            begun = False
            try:
                with open_records(folder / PRIVATE, "transfer") as records:
                    state = State(folder, request, records)
                    try:
                        yield state
                    finally:
                        begun = state.begun
            finally:
                if not begun:
                    shutil.rmtree(folder, ignore_errors=True)
        finally:
            if [path.name for path in parent.iterdir()] == [PRIVATE]:
                shutil.rmtree(parent, ignore_errors=True)


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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
