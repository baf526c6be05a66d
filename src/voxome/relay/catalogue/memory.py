"""In-memory catalogue, lost when its process ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import RLock
from typing import cast

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.catalogue.contract import R, Record


class MemoryCatalogue:
    """Records in a dict."""

    def __init__(self) -> None:
        self._records: dict[tuple[type[Record], tuple[str, ...]], Record] = {}
        self._lock = RLock()

    def get(self, record_type: type[R], *key: str) -> R:
        with self._lock:
            found = self._records.get((record_type, key))
        if found is None:
            raise NotFound(f"{record_type.__name__.lower()} {'/'.join(key)} does not exist")
        return cast(R, found)

    def find(self, record_type: type[R], **equal: str) -> list[R]:
        with self._lock:
            records = [one for one in self._records.values() if isinstance(one, record_type)]
        matching = [one for one in records if all(getattr(one, name) == value for name, value in equal.items())]
        return sorted(matching, key=lambda one: one.key)

    def write(self, *, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        with self._lock:
            changed = dict(self._records)
            for one in remove:
                self.get(type(one), *one.key)
                del changed[type(one), one.key]
            for one in add:
                if (type(one), one.key) in changed:
                    raise AlreadyExists(f"{one} already exists")
                changed[type(one), one.key] = one
            self._records = changed

    def change(self, old: R, change: Callable[[R], R]) -> R:
        with self._lock:
            current = self.get(type(old), *old.key)
            new = change(current)
            self.write(remove=[current], add=[new])
        return new

    def close(self) -> None:
        """Do nothing: no file or connection is open."""
