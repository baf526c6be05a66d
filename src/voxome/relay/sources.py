"""The sources that a relay serves: names, rights, and the voxels behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Protocol

from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import (
    AlreadyExists,
    InvalidBox,
    InvalidInput,
    NotFound,
    ReadOnly,
    StoreError,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.resources.open import open_source

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


class SourceUnavailable(StoreError):
    """The store behind a source fails."""


class ReadableSource(Protocol):
    """A stored volume, or one computed when it is read. Its methods may be called from several threads."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`."""


@dataclass
class _Entry:
    """A source, or the URI from which it is opened when it is first used."""

    uri: str
    rights: Rights
    source: ReadableSource | None
    levels: dict[int, ReadableSource] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)

    def open(self) -> ReadableSource:
        with self.lock:
            if self.source is None:
                self.source = open_source(self.uri, mode="r+" if self.rights.writers else "r")
            return self.source

    def open_level(self, number: int) -> ReadableSource | None:
        """Return a level, opened when it is first used; None if it does not exist."""
        with self.lock:
            source = self.open()
            if number == 0:
                return source
            pyramid = ability(source, SupportsLevels)
            if number not in self.levels and pyramid is not None and 0 < number < len(pyramid.levels):
                self.levels[number] = pyramid.level(number)
            return self.levels.get(number)


class Sources:
    """Sources by name, read-only unless writers are named. Its methods may be called from several threads.

    Errors of the store behind a source are raised as `SourceUnavailable`, whose message names the source only: clients
    learn nothing about paths and hosts; the cause is for the log.

    Examples
    --------
    >>> import voxome
    >>> created = voxome.create("memory://served", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> sources = Sources()
    >>> sources.add("lab/em", "memory://served")
    >>> sources.read("lab/em", Box((0, 0, 0), (1, 2, 2))).tolist()
    [[[0, 0], [0, 0]]]
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
        InvalidInput
            If the name is invalid, or an object that cannot be written has writers.
        AlreadyExists
            If another source has this name.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidInput(f"invalid source name {name!r}: use letters, digits, _, - and ., separated by /")
        if name in self._entries:
            raise AlreadyExists(f"a source {name} is already served; choose another name")
        uri, opened = (source, None) if isinstance(source, str) else ("", source)
        if rights.writers and opened is not None and not isinstance(opened, VolumeSource):
            raise InvalidInput(f"the source {name} cannot be written; leave out its writers")
        self._entries[name] = _Entry(uri, rights, opened)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all sources, in order."""
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

    def level_count(self, name: str) -> int:
        """Return the number of levels of a source: 1 without a pyramid."""
        source = self._open(name)
        pyramid = ability(source, SupportsLevels)
        return 1 if pyramid is None else len(pyramid.levels)

    def spec(self, name: str, *, level: int = 0) -> VolumeSpec:
        """Return the shape and meaning of a source, or of a level of its pyramid.

        Raises
        ------
        NotFound
            If no source has this name, or it has no such level.
        """
        return self._level(name, level).spec

    def read(self, name: str, box: Box, *, level: int = 0) -> NDArray[Any]:
        """Return the voxels of `box`, in the coordinates of the level.

        Raises
        ------
        InvalidBox
            If the box leaves the domain.
        NotFound
            If no source has this name, or it has no such level.
        SourceUnavailable
            If the store behind the source fails.
        """
        source = self._level(name, level)
        _check_box(name, box, source.spec)
        with _store_errors(name, "read"):
            return source.read(box)

    def write(self, name: str, box: Box, data: NDArray[Any]) -> None:
        """Write the voxels of `box`.

        Raises
        ------
        InvalidBox
            If the box leaves the domain.
        InvalidInput
            If `data` has another shape than the box, or another dtype than the source.
        ReadOnly
            If the source has no writers.
        SourceUnavailable
            If the store behind it fails.
        """
        source = self._open(name)
        if not self.rights(name).writers or not isinstance(source, VolumeSource):
            raise ReadOnly(f"{name} is served read-only")
        _check_box(name, box, source.spec)
        if data.shape != box.shape or data.dtype != source.spec.dtype:
            raise InvalidInput(
                f"{name} cannot store {data.dtype} voxels of shape {data.shape} in box {box}: "
                f"send {source.spec.dtype} voxels of shape {box.shape}"
            )
        with _store_errors(name, "written"):
            source.write(box, data)

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise NotFound(f"no source {name} is served")
        return self._entries[name]

    def _open(self, name: str) -> ReadableSource:
        entry = self._entry(name)
        with _open_errors(name):
            return entry.open()

    def _level(self, name: str, level: int) -> ReadableSource:
        entry = self._entry(name)
        with _open_errors(name):
            source = entry.open_level(level)
        if source is None:
            raise NotFound(f"{name} has no level {level}: its levels are 0 to {self.level_count(name) - 1}")
        return source


def _check_box(name: str, box: Box, spec: VolumeSpec) -> None:
    if box.ndim != spec.domain.ndim or box not in spec.domain:
        raise InvalidBox(f"box {box} is not inside {name}, which is {spec.domain} ({', '.join(spec.axes)})")


@contextmanager
def _open_errors(name: str) -> Iterator[None]:
    """Turn every error into one of the server: a caller cannot do anything about a source that does not open."""
    try:
        yield
    except (VoxomeError, OSError) as error:
        raise SourceUnavailable(f"the source {name} cannot be opened; see the log of the server") from error


@contextmanager
def _store_errors(name: str, action: str) -> Iterator[None]:
    """Keep the caller's errors apart from those of the store, and addresses out of both."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"the source {name} cannot be {action} in this box; request another box") from error
    except (VoxomeError, OSError) as error:
        raise SourceUnavailable(f"the source {name} cannot be {action}; see the log of the server") from error
