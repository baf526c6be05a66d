"""Records, and the protocol of catalogues."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar


@dataclass(frozen=True, kw_only=True)
class Record:
    """A plain value in a catalogue.

    A subclass is a frozen dataclass with fields of str, int, float, bool or ``tuple[str, ...]``. `KEY` names those of
    its fields, of str, that identify a record.
    """

    KEY: ClassVar[tuple[str, ...]] = ("name",)

    @property
    def key(self) -> tuple[str, ...]:
        """The values of the fields that `KEY` names."""
        return tuple(getattr(self, name) for name in self.KEY)

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()} {'/'.join(self.key)}"


R = TypeVar("R", bound=Record)


class Catalogue(Protocol):
    """Records by type and key. Its methods may be called from several threads."""

    def get(self, record_type: type[R], *key: str) -> R:
        """Return the record of `record_type` with this key.

        Raises
        ------
        NotFound
            If it does not exist.
        """

    def find(self, record_type: type[R], **equal: str) -> list[R]:
        """Return the records of `record_type` whose fields equal `equal`, in the order of their keys."""

    def write(self, *, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        """Remove records, then add others, in one transaction.

        Raises
        ------
        NotFound
            If a record to remove does not exist.
        AlreadyExists
            If a record to add has the key of one that stays.
        """

    def change(self, old: R, change: Callable[[R], R]) -> R:
        """Replace the record that has the key of `old` by ``change(record)``, atomically; return the new one.

        Raises
        ------
        NotFound
            If the record no longer exists.
        AlreadyExists
            If the changed record has the key of another.
        """

    def close(self) -> None:
        """Release files and connections."""
