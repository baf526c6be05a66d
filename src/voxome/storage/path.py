"""Paths in key-value stores: files and folders, in any store."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO, ClassVar

import tensorstore as ts

from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, AlreadyExists, InvalidBox, NotFound, StoreError, UnsupportedFormat, VoxomeError
from voxome.redaction import redact
from voxome.storage.page import Page
from voxome.storage.ranged import TAIL_BYTES, open_ranged
from voxome.storage.tensorstore import context, map_errors, result_of

_LOOK_UPS = 4096
"""Files that are looked up at once."""


class StoragePath(ABC):
    """A path in a key-value store: a folder with files, or a file.

    Parameters
    ----------
    path : str
        Local path, or address with its scheme, without a slash at the end.
    options : mapping
        Options of the store, of the names in `known`, as in the query of a URI.
    """

    is_local: ClassVar[bool] = False
    quick_to_list: ClassVar[bool] = False
    """Whether listing takes little time however much there is elsewhere in the store."""
    read_only_because: ClassVar[str] = "is behind http, which is read-only"
    """Why nothing can be written here, where that is so."""
    known: ClassVar[tuple[str, ...]] = ("missing",)
    """Names of the options that the store has."""

    def __init__(self, path: str, options: Mapping[str, str] = MappingProxyType({})) -> None:
        self.path, self.options = path, dict(options)

    def __str__(self) -> str:
        """Return the path, without passwords and tokens."""
        return redact(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def __truediv__(self, below: str) -> StoragePath:
        return type(self)(f"{self.path.rstrip('/')}/{below}", self.options)

    @property
    def writable(self) -> bool:
        """Whether anything can be written here."""
        return True

    @property
    def listable(self) -> bool:
        """Whether the folders and files in it can be listed."""
        return True

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> StoragePath | None:
        """The folder above; None at the top of the store."""
        head, _, last = self.path.rpartition("/")
        return type(self)(head, self.options) if last and not head.endswith("/") else None

    @property
    def parents(self) -> Iterator[StoragePath]:
        """The folders above, the nearest first."""
        one = self.parent
        while one is not None:
            yield one
            one = one.parent

    def uri(self, scheme: str) -> str:
        """Return the URI of the volume of format `scheme` at this path."""
        return str(Uri(scheme, self.path, self.options))

    @property
    def address(self) -> str:
        """The path with its options, as `storage_at` reads it: a local path, or ``s3://bucket/prefix?endpoint=…``."""
        return self.uri("")

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Return the tensorstore spec of the key-value store of this folder."""

    @cached_property
    def kvstore(self) -> ts.KvStore:
        """The key-value store of this folder."""
        with map_errors(str(self), invalid=StoreError):
            return result_of(ts.KvStore.open(self.spec(), context=context()))

    @property
    def denied_is_missing(self) -> bool:
        """Whether a 403 means a missing key (``?missing=403``)."""
        return self.options.get("missing") == "403"

    def read(self, key: str) -> bytes | None:
        """Return the content of the file `key`, or None if it does not exist.

        Raises
        ------
        AccessDenied, StoreError
            If the store refuses, or fails.
        """
        return self.read_all([key])[0]

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the contents of several files, read at once, as `read` returns each."""
        futures = [(key, self.kvstore.read(key)) for key in keys]
        return [self._content(key, future) for key, future in futures]

    def read_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        """Return ranges of files, read at once; None for a file that does not exist.

        Parameters
        ----------
        ranges : sequence of (key, start, stop)
            Name of a file in this folder, first byte, and one past the last.

        Raises
        ------
        InvalidBox
            If a range is not inside its file.
        AccessDenied, StoreError
            If the store refuses, or fails.
        """
        futures = [(key, self.kvstore.read(key, byte_range=slice(start, stop))) for key, start, stop in ranges]
        return [self._content(key, future) for key, future in futures]

    def read_permitted(self, keys: Sequence[str]) -> dict[str, bytes | StoreError]:
        """Return the contents of those of several files that exist and may be read; all are read at once.

        Where the store fails, as by a time-out, its error stands for the content.
        """
        contents: dict[str, bytes | StoreError] = {}
        for key, future in [(key, self.kvstore.read(key)) for key in keys]:
            try:
                text = self._content(key, future)
            except AccessDenied:
                continue
            except StoreError as error:
                contents[key] = error
                continue
            if text is not None:
                contents[key] = text
        return contents

    def _content(self, key: str, future: Any) -> bytes | None:
        return self._stored(key, future)[0]

    def _stored(self, key: str, future: Any) -> tuple[bytes | None, bytes]:
        """Return the result of reading the file `key`, None if it is missing, and its generation."""
        try:
            with map_errors(f"{self}/{key}", invalid=StoreError):
                found = result_of(future)
        except AccessDenied:
            if self.denied_is_missing:
                return None, _generation_of_missing()
            raise
        return None if found.state == "missing" else bytes(found.value), bytes(found.stamp.generation)

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bool:
        """Change the file `key`; return False, with nothing changed, if another writer was faster.

        The response of a store can be lost and the request retried after it succeeded, so the file is read back.
        """
        old, generation = self._stored(key, self.kvstore.read(key))
        text = change(old)
        with map_errors(f"{self}/{key}", invalid=StoreError):
            if result_of(self.kvstore.write(key, text, if_equal=generation)).generation:
                return True
        return not self.is_local and self.read(key) == text

    def read_bytes(self) -> bytes | None:
        """Return the content of the file at this path, or None if it does not exist.

        Raises
        ------
        AccessDenied, StoreError
            If the store refuses, or fails.
        """
        return self._folder.read(self.name)

    def write_bytes(self, data: bytes) -> None:
        """Write the file at this path, atomically: a reader sees the old content or the new, never a part.

        Raises
        ------
        AccessDenied, StoreError
            If the store refuses, or fails.
        """
        with map_errors(str(self), invalid=StoreError):
            result_of(self._folder.kvstore.write(self.name, data))

    def change_file(self, change: Callable[[bytes | None], bytes]) -> bool:
        """Change the file at this path, as `change` does one in this folder."""
        return self._folder.change(self.name, change)

    def exists(self) -> bool:
        """Whether there is a file at this path."""
        return self.read_range(0, 0) is not None

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return those of `keys` that are not files in this folder; many are looked up at once."""
        return list(self._missing(keys))

    def lacks(self, keys: Iterable[str]) -> bool:
        """Return whether any of `keys` is not a file in this folder; any number takes the memory of a few thousand."""
        return next(self._missing(keys), None) is not None

    def _missing(self, keys: Iterable[str]) -> Iterator[str]:
        rest = iter(keys)
        while some := list(islice(rest, _LOOK_UPS)):
            futures = [(key, self.kvstore.read(key, byte_range=slice(0, 0))) for key in some]
            yield from (key for key, future in futures if self._content(key, future) is None)

    def unlink(self) -> None:
        """Remove the file at this path, if there is one."""
        with map_errors(str(self), invalid=StoreError):
            result_of(self._folder.kvstore.write(self.name, None))

    def open_file(self) -> BinaryIO:
        """Open the file at this path for reading; of a large one, only the ranges that are read are fetched.

        Raises
        ------
        NotFound
            If it does not exist.
        """
        try:
            tail = self.read_range(-TAIL_BYTES, None)
        except InvalidBox:
            whole = self.read_range(None, None)
            tail, file = whole, io.BytesIO(whole or b"")
        else:
            file = open_ranged(self._present_range, tail or b"")  # type: ignore[assignment]
        if tail is None:
            raise NotFound(f"the file {self} does not exist")
        return file

    @contextmanager
    def create_file(self) -> Iterator[BinaryIO]:
        """Open a file for writing that appears at this path, complete, when the block ends without an error.

        An object store gets it in one request: until then, memory holds it.

        Yields
        ------
        binary file
            Open for writing.
        """
        buffer = io.BytesIO()
        yield buffer
        self.write_bytes(buffer.getvalue())

    def _present_range(self, start: int | None, stop: int | None) -> bytes:
        data = self.read_range(start, stop)
        if data is None:
            raise NotFound(f"the file {self} was removed while it was read")
        return data

    def read_range(self, start: int | None, stop: int | None) -> bytes | None:
        """Return bytes of the file at this path, None if it does not exist; InvalidBox if they are not inside it."""
        folder = self._folder
        return folder._content(self.name, folder.kvstore.read(self.name, byte_range=slice(start, stop)))

    def read_part(self, start: int | None, stop: int | None) -> tuple[bytes, str] | None:
        """Return bytes of the file at this path, and a text that changes with it; otherwise as `read_range`."""
        folder = self._folder
        data, generation = folder._stored(self.name, folder.kvstore.read(self.name, byte_range=slice(start, stop)))
        return None if data is None else (data, hashlib.sha256(generation).hexdigest()[:16])

    def size(self) -> int | None:
        """Return the bytes of the file at this path; None without one, or if the store does not tell without a read."""
        return None

    @cached_property
    def _folder(self) -> StoragePath:
        folder = self.parent
        if folder is None:
            raise StoreError(f"{self} is the top of its store, not a file; give a path inside it")
        return folder

    def state(self, key: str) -> str:
        """Return a short text that changes with the file `key`."""
        return hashlib.sha256(self.read(key) or b"").hexdigest()[:16]

    def tree_state(self) -> str | None:
        """Return a text that changes with any file in this folder or below; None if the store cannot tell cheaply."""
        return None

    def file_state(self) -> str | None:
        """Return a text that changes with the file at this path, or None if it is missing or the store cannot tell."""
        if not self.writable:
            return None
        folder = self._folder
        data, generation = folder._stored(self.name, folder.kvstore.read(self.name, byte_range=slice(0, 0)))
        return None if data is None else hashlib.sha256(generation).hexdigest()[:16]

    def tree_bytes(self) -> int | None:
        """Return the bytes of all files in this folder and below; None if the store does not tell without reads."""
        return None

    @property
    def identity(self) -> object:
        """What is equal for two paths to one folder, where the store has links."""
        return self.path

    def require_listable(self) -> None:
        """Raise if the store has no listing.

        Raises
        ------
        UnsupportedFormat
        """
        if not self.listable:
            raise UnsupportedFormat(
                f"{self} cannot be listed, as http servers have no common way of listing; give the address of a volume"
            )

    def pages(self) -> Iterator[Page]:
        """Yield the names in this folder, a page at a time; only stores with many pages yield more than one.

        Raises
        ------
        NotFound
            If the folder does not exist.
        AccessDenied, StoreError
            If the store refuses, or fails.
        UnsupportedFormat
            If the store has no listing.
        """
        self.require_listable()
        found = False
        for page in self._pages():
            found = True
            yield page
        if not found and self.parent is not None:
            raise NotFound(f"{self} does not exist: nothing is stored under it")

    def _pages(self) -> Iterator[Page]:
        """Yield the pages that have names; here one, of all keys below the folder."""
        with map_errors(str(self), invalid=StoreError):
            keys = [key.decode() for key in result_of(self.kvstore.list())]
        if keys:
            parts = [key.partition("/") for key in keys]
            yield Page.of((name for name, slash, _ in parts if slash), (name for name, slash, _ in parts if not slash))

    def entries(self) -> Page:
        """Return the names of all folders and files in this folder, sorted; raises as `pages`."""
        pages = list(self.pages())
        return Page.of(
            (name for page in pages for name in page.folders), (name for page in pages for name in page.files)
        )

    def dead_links(self, names: Iterable[str]) -> Iterator[tuple[str, NotFound]]:
        """Yield those of the files `names` in this folder that are links to nothing, and what they lead to."""
        return iter(())

    def names(self) -> list[str]:
        """Return the names of the files and folders in this folder."""
        return sorted({name for names in self.entries() for name in names})

    def walk(self) -> Iterator[str]:
        """Yield the paths of all files in this folder and below, relative to it; raises as `pages`."""
        for page in self.pages():
            yield from page.files
            for folder in page.folders:
                yield from (f"{folder}/{name}" for name in (self / folder).walk())

    def taken(self) -> bool:
        """Return whether there is anything at this path."""
        return any(True for _ in self._pages())

    def must_be_free(self, name: str) -> None:
        """Refuse this path if there is anything; `name` stands for it in the message.

        Raises
        ------
        AlreadyExists
            If there is anything.
        """
        if self.taken():
            raise AlreadyExists(f"{name} already exists; choose another path, or delete it")

    def put_new(self, documents: Mapping[str, bytes]) -> None:
        """Create files in this folder: all of them or none, in order.

        Raises
        ------
        AlreadyExists
            If one of them exists.
        """
        created: list[str] = []
        try:
            for key, text in documents.items():
                if not self.change(key, self._only_new(key, text)):
                    raise AlreadyExists(f"{self}/{key} was just created by another process")
                created.append(key)
        except VoxomeError:
            with suppress(VoxomeError), map_errors(str(self)):
                for key in created:
                    result_of(self.kvstore.write(key, None))
            raise

    def _only_new(self, key: str, text: bytes) -> Callable[[bytes | None], bytes]:
        def change(old: bytes | None) -> bytes:
            if old is not None:
                raise AlreadyExists(f"{self}/{key} already exists; choose another path, or delete it")
            return text

        return change

    def delete(self) -> None:
        """Remove this folder with everything in it; one that does not exist is removed already."""
        with map_errors(str(self), invalid=StoreError):
            result_of(self.kvstore.delete_range(ts.KvStore.KeyRange()))

    @contextmanager
    def removed_on_error(self, is_listed: Callable[[], bool]) -> Iterator[None]:
        """Remove this folder, which was just created, if the body of the ``with`` statement fails to list it.

        Parameters
        ----------
        is_listed : function
            Returns whether it is listed nevertheless, as by a body that was interrupted at its end: then it stays.
        """
        try:
            yield
        except BaseException:
            with suppress(VoxomeError):
                if not is_listed():
                    self.delete()
            raise

    def remove_if_empty(self) -> None:  # noqa: B027
        """Remove this folder if there is nothing in it; object stores have no empty folders."""

    def remove_stale_parts(self) -> None:  # noqa: B027
        """Remove the partial files that killed writers left in this folder; nobody may be writing there.

        Object stores have none: a file appears there complete.
        """

    def remove_stale_locks(self) -> None:  # noqa: B027
        """Remove the lock files that killed writers left in this folder; nobody may be writing there.

        Object stores have none.
        """


@cache
def _generation_of_missing() -> bytes:
    return bytes(ts.KvStore.open({"driver": "memory"}).result().read("").result().stamp.generation)
