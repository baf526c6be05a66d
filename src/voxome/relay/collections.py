"""The collections of annotations that a relay serves, as the files of their indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.source_errors import SourceUnavailable
from voxome.resources.open import open
from voxome.resources.shapes import Points

T = TypeVar("T")


class Collections:
    """Collections of annotations by name, read-only. Its methods may be called from several threads."""

    def __init__(self) -> None:
        self._sources: dict[str, str | PointsSource] = {}
        self._rights: dict[str, Rights] = {}
        self._lock = Lock()

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
        if name in self._sources:
            raise AlreadyExists(f"annotations {name} are already served; choose another name")
        self._sources[name], self._rights[name] = source, rights

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in order."""
        return iter(sorted(self._sources))

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def rights(self, name: str) -> Rights:
        """Return who may read a collection.

        Raises
        ------
        NotFound
            If none has this name.
        """
        if name not in self._rights:
            raise NotFound(f"no annotations {name} are served")
        return self._rights[name]

    def read(self, name: str, path: str, start: int | None, stop: int | None) -> StoredPart | None:
        """Return bytes of a file of a collection, None if there is no such file.

        Raises
        ------
        InvalidBox
            If they are not inside the file.
        SourceUnavailable
            If the store fails, or there are edits beside the indices, which no file has.
        """
        try:
            return self._files(name).read(path, start, stop)
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
            If the store fails.
        """
        try:
            source = self._open(name)
        except (VoxomeError, OSError) as error:
            raise SourceUnavailable(f"the annotations {name} cannot be opened; see the log of the server") from error
        try:
            return action(source)
        except NotFound as error:
            raise NotFound(f"the annotations {name} lack one of these ids") from error
        except UnsupportedFormat as error:
            raise InvalidInput(
                f"the annotations {name} have no index for this; look for them in another way"
            ) from error
        except InvalidInput:
            raise
        except (VoxomeError, OSError) as error:
            raise SourceUnavailable(f"the annotations {name} cannot be read; see the log of the server") from error

    def _files(self, name: str) -> StoredFiles:
        source = self._open(name)
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

    def _open(self, name: str) -> PointsSource:
        with self._lock:
            source = self._sources[name]
            if isinstance(source, str):
                source = self._sources[name] = open(source, expect=Points).source
            return source


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
