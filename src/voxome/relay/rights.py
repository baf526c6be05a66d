"""Who may read and write a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voxome.errors import InvalidInput
from voxome.relay.accounts import PUBLIC, Caller


@dataclass(frozen=True)
class Rights:
    """Who may read and write a source.

    Attributes
    ----------
    readers : frozenset of str
        Names of groups; ``public`` is everybody. Admins may always read.
    writers : frozenset of str
        Names of groups; without any the source is read-only, for admins too.
    """

    readers: frozenset[str] = frozenset({PUBLIC})
    writers: frozenset[str] = frozenset()

    def may_read(self, caller: Caller) -> bool:
        """Return whether `caller` may read."""
        return caller.is_admin or not self.readers.isdisjoint(caller.groups)

    def may_write(self, caller: Caller) -> bool:
        """Return whether `caller` may write."""
        if caller.only_reads:
            return False
        return bool(self.writers) and (caller.is_admin or not self.writers.isdisjoint(caller.groups))

    def may_see(self, caller: Caller) -> bool:
        """Return whether `caller` may see the metadata, without which nothing can be written either."""
        return self.may_read(caller) or self.may_write(caller)


PUBLIC_READ = Rights()
"""Everybody may read, nobody may write."""


def shared_rights(name: str, inputs: Sequence[Rights]) -> Rights:
    """Return the right to read what is computed from some sources: that of the groups which may read all of them.

    Raises
    ------
    InvalidInput
        If there is no such group.
    """
    restricted = [one.readers for one in inputs if PUBLIC not in one.readers]
    readers = frozenset.intersection(*restricted) if restricted else PUBLIC_READ.readers
    if not readers and all(restricted):
        raise InvalidInput(f"no group may read all inputs of {name}; name its readers")
    return Rights(readers)
