"""What a process keeps of a store, for all its sessions and readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from voxome.services.proofreading.branch_lookup import BranchLookup
from voxome.services.proofreading.database import Database
from voxome.services.proofreading.mapping import Supervoxels
from voxome.services.proofreading.state import Lineage

T = TypeVar("T")


class StoreContents:
    """What never changes in a store, read once, and the look-ups of its branches and versions while they are used."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._constants: dict[str, Any] = {}
        self._lookups: WeakValueDictionary[Lineage, BranchLookup] = WeakValueDictionary()

    def constant(self, name: str, read: Callable[[], T]) -> T:
        """Return what `read` has returned when it was first called for `name`."""
        with self._lock:
            if name not in self._constants:
                self._constants[name] = read()
            return cast("T", self._constants[name])

    def lookup(self, start: Supervoxels, lineage: Lineage) -> BranchLookup:
        """Return the look-up of a branch or version; two calls return the same one while it is used."""
        with self._lock:
            lookup = self._lookups.get(lineage)
            if lookup is None:
                lookup = self._lookups[lineage] = BranchLookup(start, lineage)
            return lookup

    def is_newer_than(self, last_operation: int) -> bool:
        """Whether it has an operation that a store whose last one is `last_operation` does not have."""
        return any(one.known > last_operation for one in list(self._lookups.values()))


_OPEN: WeakValueDictionary[tuple[str, int, str], StoreContents] = WeakValueDictionary()
_OPENING = RLock()


def contents_of(database: Database, token: str, last_operation: int) -> StoreContents:
    """Return the contents of a store, the same for all who use it in this process.

    A file that was replaced meanwhile, by another store or an older state of the same one, is another store.

    Parameters
    ----------
    database : Database
        Where it is.
    token : str
        What was chosen for the store when it was made.
    last_operation : int
        Number of its last operation.
    """
    inode = Path(str(database.url.database)).stat().st_ino if database.is_file else 0
    with _OPENING:
        contents = _OPEN.get((database.address, inode, token))
        if contents is None or contents.is_newer_than(last_operation):
            contents = _OPEN[database.address, inode, token] = StoreContents()
        return contents
