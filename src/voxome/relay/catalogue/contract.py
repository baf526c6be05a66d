"""What a catalogue can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from voxome.relay.catalogue.records import Record

R = TypeVar("R", bound=Record)


class Catalogue(Protocol):
    """Records by kind and key. Its methods may be called from several threads."""

    def get(self, kind: type[R], *key: str) -> R:
        """The record of `kind` whose key is `key`.

        Raises
        ------
        NotFound
            If there is none.
        """

    def find(self, kind: type[R], **equal: str) -> list[R]:
        """The records of `kind` whose fields equal `equal`, in the order of their keys."""

    def write(self, *, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        """Remove records, then add others: all of it or nothing.

        Raises
        ------
        NotFound
            If one to remove is not there.
        AlreadyExists
            If one to add has the key of another that stays.
        """

    def change(self, old: R, change: Callable[[R], R]) -> R:
        """Put ``change(record)`` in the place of the record that now has the key of `old`; nobody comes between.

        Raises
        ------
        NotFound
            If there is no such record any more.
        AlreadyExists
            If the changed one has the key of another.
        """

    def close(self) -> None:
        """Let go of files and connections."""
