"""A catalogue in memory, gone with its process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import RLock
from typing import cast

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.catalogue.contract import R
from voxome.relay.catalogue.records import Record

_Place = tuple[type[Record], tuple[str, ...]]


class MemoryCatalogue:
    """Records in a dict."""

    def __init__(self) -> None:
        self._records: dict[_Place, Record] = {}
        self._lock = RLock()

    def get(self, kind: type[R], *key: str) -> R:
        with self._lock:
            found = self._records.get((kind, key))
        if found is None:
            raise NotFound(f"there is no {kind.__name__.lower()} {'/'.join(key)}")
        return cast(R, found)

    def find(self, kind: type[R], **equal: str) -> list[R]:
        with self._lock:
            found = [one for one in self._records.values() if isinstance(one, kind)]
        wanted = [one for one in found if all(getattr(one, name) == value for name, value in equal.items())]
        return sorted(wanted, key=lambda one: one.key)

    def write(self, *, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        with self._lock:
            changed = dict(self._records)
            for one in remove:
                self.get(type(one), *one.key)
                del changed[type(one), one.key]
            for one in add:
                if (type(one), one.key) in changed:
                    raise AlreadyExists(f"the {type(one).__name__.lower()} {'/'.join(one.key)} already exists")
                changed[type(one), one.key] = one
            self._records = changed

    def change(self, old: R, change: Callable[[R], R]) -> R:
        with self._lock:
            now = self.get(type(old), *old.key)
            new = change(now)
            self.write(remove=[now], add=[new])
        return new

    def close(self) -> None:
        """Nothing is open."""
