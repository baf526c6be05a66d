"""What is known of a transfer between its calls: a folder with a ledger, a lock, and a few facts."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from voxome.config.settings import text_setting
from voxome.contracts.records import Ledger
from voxome.errors import AlreadyExists, RunLocked
from voxome.records.folder import PRIVATE, lock_folder, map_disk_errors, read_json, write_json
from voxome.records.sql import SqlRecords

FACTS = "transfer.json"


def state_root(given: str | Path | None) -> Path:
    """Where transfers keep what they know: `given`, or ``VOXOME_STATE``, or the user's cache folder."""
    usual = text_setting("STATE", str(Path(platformdirs.user_cache_dir("voxome")) / "transfers"))
    return Path(given or usual).expanduser().absolute()


class State:
    """The folder of one transfer, held by this process.

    Parameters
    ----------
    folder : path
        Its own.
    asked : mapping
        Source, target, box, …: what tells this transfer from others.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any], records: SqlRecords) -> None:
        self.folder, self._asked, self._records = folder, asked, records
        self.facts = read_json(folder / FACTS) or {}

    @property
    def ledger(self) -> Ledger:
        """Which jobs are done."""
        return self._records

    @property
    def begun(self) -> bool:
        """Whether this transfer has been at its target before."""
        return bool(self.facts)

    def keep(self, **facts: Any) -> None:
        """Keep some facts, beside those that are known."""
        self.facts = {"asked": self._asked, **self.facts, **facts}
        write_json(self.folder / FACTS, self.facts)

    def begin(self, copies: Sequence[str]) -> None:
        """Go on with the copies of these keys; anew, if nothing is known of this transfer but that it began."""
        if "copies" not in self.facts:
            for key in copies:
                self._records.forget(key)
        self.keep(copies=list(copies), complete=False)

    def forget(self) -> None:
        """Take nothing for done."""
        self.facts = {}
        (self.folder / FACTS).unlink(missing_ok=True)

    def check(self, what: str, name: str, token: str) -> None:
        """Refuse to go on where `what` is another one than before.

        Raises
        ------
        AlreadyExists
        """
        before = self.facts.get(what)
        if before not in (None, token):
            raise AlreadyExists(
                f"{name} was changed or made anew since this transfer began: remove the destination, or copy all of it "
                "again with existing=True (--existing)"
            )


@contextmanager
def locked_state(root: Path, asked: Mapping[str, Any]) -> Iterator[State]:
    """The state of the transfer that is `asked` for; no other to its ``destination`` goes on meanwhile.

    Raises
    ------
    RunLocked
        If another one does, as far as it is kept under `root`.
    StoreError
        If it cannot be written.
    """
    destination = str(asked["destination"])
    place = root / _short(destination.partition("?")[0])
    folder = place / _short(json.dumps(asked, sort_keys=True, default=str))
    with map_disk_errors(place), _alone(place, destination):
        try:
            (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
            records = SqlRecords.in_file(folder / PRIVATE / "transfer.sqlite")
            state = State(folder, asked, records)
            try:
                yield state
            finally:
                records.close()
                if not state.begun:
                    shutil.rmtree(folder, ignore_errors=True)
        finally:
            if [one.name for one in place.iterdir()] == [PRIVATE]:
                shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _alone(place: Path, destination: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_folder(place))
        except RunLocked as error:
            holder = re.search(r"process \d+", str(error))
            raise RunLocked(
                f"another transfer to {destination} is under way ({holder[0] if holder else 'another process'}): "
                "wait for it, or end it"
            ) from error
        yield


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
