"""The collections of annotations that a relay serves, as the files of their indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock
from typing import TypeVar

from voxome.contracts.abilities import ability
from voxome.contracts.source import PointsSource
from voxome.contracts.stored_files import StoredFiles, StoredPart, SupportsStoredFiles
from voxome.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidBox,
    InvalidInput,
    NotFound,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.relay.accounts import Caller
from voxome.relay.caching import CACHE_REMOTE
from voxome.relay.lazy import lazy
from voxome.relay.origin import Origin
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.threads import waiting
from voxome.resources.open import open
from voxome.resources.shapes import Points

_MOST_READERS = 32
"""Reads of one collection behind a network at the same time."""

T = TypeVar("T")


class Collections:
    """Collections of annotations by name, read-only. Its methods may be called from several threads.

    Parameters
    ----------
    timeout_s : float
        Time after which a collection behind a network is given up that does not answer.
    """

    def __init__(self, timeout_s: float = CACHE_REMOTE.timeout_s) -> None:
        self._timeout_s = timeout_s
        self._collections: dict[str, _Collection] = {}

    def add(self, name: str, source: str | PointsSource, rights: Rights = PUBLIC_READ) -> None:
        """Serve a collection of the format ``precomputed`` as `name`, which no volume of the relay has.

        Parameters
        ----------
        name : str
            As of a source.
        source : str or PointsSource
            Its URI, opened when it is first used, or the collection.
        rights : Rights
            Who may read it.

        Raises
        ------
        AlreadyExists
            If another one has this name.
        """
        if name in self._collections:
            raise AlreadyExists(f"annotations {name} are already served; choose another name")
        self._collections[name] = _Collection(name, source, rights, self._timeout_s)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in order."""
        return iter(sorted(self._collections))

    def __contains__(self, name: object) -> bool:
        return name in self._collections

    def rights(self, name: str) -> Rights:
        """Return who may read a collection.

        Raises
        ------
        NotFound
            If none has this name.
        """
        if name not in self._collections:
            raise NotFound(f"no annotations {name} are served")
        return self._collections[name].rights

    def read(self, name: str, path: str, start: int | None, stop: int | None) -> StoredPart | None:
        """Return bytes of a file of a collection, None if there is no such file.

        Raises
        ------
        InvalidBox
            If they are not inside the file.
        SourceUnavailable
            If the store fails or does not answer in time, or there are edits beside the indices, which no file has.
        """
        try:
            return self._collections[name].use(lambda source: _files(name, source).read(path, start, stop))
        except (InvalidBox, SourceUnavailable):
            raise
        except (VoxomeError, OSError) as error:
            raise SourceUnavailable(f"the annotations {name} cannot be read; see the log of the server") from error

    def use(self, name: str, action: Callable[[PointsSource], T]) -> T:
        """Return what `action` finds in a collection.

        Raises
        ------
        NotFound
            If it looks for an id that does not exist.
        InvalidInput
            If the collection has no such relation, or no index for this.
        SourceUnavailable
            If the store fails, or does not answer in time.
        """
        try:
            return self._collections[name].use(action)
        except NotFound as error:
            raise NotFound(f"the annotations {name} lack one of these ids") from error
        except UnsupportedFormat as error:
            raise InvalidInput(
                f"the annotations {name} have no index for this; look for them in another way"
            ) from error
        except (InvalidInput, SourceUnavailable):
            raise
        except (VoxomeError, OSError) as error:
            raise SourceUnavailable(f"the annotations {name} cannot be read; see the log of the server") from error


class _Collection:
    """A collection, or the URI from which it is opened when it is first used."""

    def __init__(self, name: str, source: str | PointsSource, rights: Rights, timeout_s: float) -> None:
        self.rights = rights
        self._name, self._timeout_s = name, timeout_s
        self._uri = source if isinstance(source, str) else ""
        self._source = None if isinstance(source, str) else source
        self._opening = Lock()

    @lazy
    def _is_remote(self) -> bool:
        return bool(self._uri) and Origin(self._uri).is_remote

    @lazy
    def _readers(self) -> ThreadPoolExecutor:
        """Threads that a store which does not answer holds up, instead of those of requests."""
        return ThreadPoolExecutor(_MOST_READERS, "voxome-relay-annotations")

    def use(self, action: Callable[[PointsSource], T]) -> T:
        """Return what `action` finds; other requests work while a store behind a network is read.

        Raises
        ------
        TimeoutError
            If the store is behind a network, and does not answer in time.
        SourceUnavailable
            If it cannot be opened.
        VoxomeError, OSError
            If it fails.
        """
        if not self._is_remote:
            return action(self._open())
        with waiting(f"annotations {self._name}"):
            answer = self._readers.submit(copy_context().run, lambda: action(self._open()))
            try:
                return answer.result(self._timeout_s)
            finally:
                answer.cancel()

    def _open(self) -> PointsSource:
        with self._opening:
            if self._source is None:
                try:
                    self._source = open(self._uri, expect=Points).source
                except (VoxomeError, OSError) as error:
                    raise SourceUnavailable(
                        f"the annotations {self._name} cannot be opened; see the log of the server"
                    ) from error
            return self._source


def _files(name: str, source: PointsSource) -> StoredFiles:
    files = ability(source, SupportsStoredFiles)
    if files is None:
        raise SourceUnavailable(f"the annotations {name} are no precomputed collection; convert them to one")
    found = files.stored_files("annotations")
    if found is None:
        raise SourceUnavailable(
            f"the annotations {name} have edits that are not in their indices yet; write them there with "
            "`voxome annotations URI --fold`"
        )
    return found


class PermittedCollections:
    """The collections that a caller may read.

    Parameters
    ----------
    collections : Collections
        All collections of the relay.
    caller : Caller
        Sender of the request.
    """

    def __init__(self, collections: Collections, caller: Caller) -> None:
        self._collections, self._caller = collections, caller

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that the caller may read, in order."""
        return (name for name in self._collections if self._collections.rights(name).may_read(self._caller))

    def __contains__(self, name: object) -> bool:
        return name in self._collections

    def rights(self, name: str) -> Rights:
        """Return who may read a collection.

        Raises
        ------
        NotFound
            If none has this name.
        AccessDenied
            If the caller may not.
        """
        rights = self._collections.rights(name)
        if not rights.may_read(self._caller):
            raise AccessDenied(f"no permission to read {name}")
        return rights

    def read(self, name: str, path: str, start: int | None = None, stop: int | None = None) -> StoredPart | None:
        """Return bytes of a file of a collection, None if there is no such file; the errors are those of both."""
        self.rights(name)
        return self._collections.read(name, path, start, stop)

    def use(self, name: str, action: Callable[[PointsSource], T]) -> T:
        """Return what `action` finds in a collection; the errors are those of both."""
        self.rights(name)
        return self._collections.use(name, action)
