"""The sources that a relay serves: names, rights, and what is behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import AccessDenied, AlreadyExists, InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.relay.accounts import PUBLIC, Caller
from voxome.resources.open import open_source

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


class ReadableSource(Protocol):
    """Anything with voxels to read: a stored volume, or one computed when it is read. Called from several threads."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`."""


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
        return bool(self.writers) and (caller.is_admin or not self.writers.isdisjoint(caller.groups))


PUBLIC_READ = Rights()
"""Everybody may read, nobody may write."""


@dataclass
class _Entry:
    """One name: a source, or the URI that it is opened from when it is first used."""

    uri: str
    rights: Rights
    source: ReadableSource | None
    opening: Lock = field(default_factory=Lock)

    def open(self) -> ReadableSource:
        with self.opening:
            if self.source is None:
                self.source = open_source(self.uri, mode="r+" if self.rights.writers else "r")
            return self.source


class Sources:
    """Sources by name, read-only unless writers are named.

    Examples
    --------
    >>> import voxome
    >>> created = voxome.create("memory://served", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> sources = Sources()
    >>> sources.add("lab/em", "memory://served")
    >>> sources.readable("lab/em", Caller()).spec.domain.shape
    (4, 5, 6)
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, name: str, source: str | ReadableSource, rights: Rights = PUBLIC_READ) -> None:
        """Serve `source` as `name`.

        Parameters
        ----------
        name : str
            Parts of letters, digits, ``_``, ``-`` and ``.``, separated by ``/``.
        source : str or ReadableSource
            A URI, opened when it is first used, or an object with `spec` and `read`.
        rights : Rights
            Who may read and write it.

        Raises
        ------
        AlreadyExists
            If another source has this name.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidInput(f"invalid source name {name!r}: use letters, digits, _, - and ., separated by /")
        if name in self._entries:
            raise AlreadyExists(f"a source {name} is already served; choose another name")
        uri, opened = (source, None) if isinstance(source, str) else ("", source)
        self._entries[name] = _Entry(uri, rights, opened)

    def __iter__(self) -> Iterator[str]:
        """Names of all sources, in order."""
        return iter(sorted(self._entries))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def rights(self, name: str) -> Rights:
        """Return who may read and write a source.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        return self._entry(name).rights

    def readable(self, name: str, caller: Caller, *, level: int = 0) -> ReadableSource:
        """Return a source, or a level of its pyramid, for reading.

        Raises
        ------
        NotFound
            If no source has this name, or it has no such level.
        AccessDenied
            If the caller may not read it.
        """
        entry = self._entry(name)
        if not entry.rights.may_read(caller):
            raise AccessDenied(f"no permission to read {name}")
        source = entry.open()
        if level == 0:
            return source
        pyramid = ability(source, SupportsLevels)
        count = 1 if pyramid is None else len(pyramid.levels)
        if pyramid is None or level >= count:
            raise NotFound(f"{name} has no level {level}: its levels are 0 to {count - 1}")
        return pyramid.level(level)

    def writable(self, name: str, caller: Caller) -> VolumeSource:
        """Return a source for reading and writing.

        Raises
        ------
        NotFound
            If no source has this name.
        ReadOnly
            If nobody may write it.
        AccessDenied
            If the caller may not.
        """
        entry = self._entry(name)
        if not entry.rights.writers:
            raise ReadOnly(f"{name} is served read-only")
        if not entry.rights.may_write(caller):
            raise AccessDenied(f"no permission to write {name}")
        return cast(VolumeSource, entry.open())

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise NotFound(f"no source {name} is served")
        return self._entries[name]
