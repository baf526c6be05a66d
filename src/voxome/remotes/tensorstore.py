"""What the stores that tensorstore reads have in common: a context, addresses, a source over a handle."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.contracts.volume import Version, VolumeSpec
from voxome.errors import (
    AlreadyThere,
    CorruptData,
    InvalidBox,
    InvalidInput,
    NotFound,
    ReadOnly,
    StoreError,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.remotes.local import local_path

LIMITS: dict[str, Any] = {
    "cache_pool": {"total_bytes_limit": 0},
    "file_io_concurrency": {"limit": 8},
    "http_request_concurrency": {"limit": 16},
    "http_request_retries": {"max_retries": 6, "initial_delay": "100ms", "max_delay": "1s"},
}
"""Options of the context that all stores of this process share; change them before the first is opened."""

_SHARED: list[ts.Context] = []
_SPEC_TAIL = re.compile(r"\s*\[(tensorstore_spec|transform|domain|source locations)=.*", re.DOTALL)
_OF_THE_DISK = re.compile(r"Error writing|Failed to write|\[os_error_code=")
_STATUS = re.compile(r"([A-Z_]+): (.*)", re.DOTALL)
_BY_STATUS: dict[str, type[VoxomeError]] = {
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyThere,
    "OUT_OF_RANGE": InvalidBox,
    "DATA_LOSS": CorruptData,
    "INVALID_ARGUMENT": CorruptData,
    "FAILED_PRECONDITION": CorruptData,
}


def context() -> ts.Context:
    """The one context that all stores of this process share."""
    if not _SHARED:
        _SHARED.append(ts.Context(LIMITS))
    return _SHARED[0]


def is_remote(path: str) -> bool:
    """Whether `path` is an http address rather than a local path."""
    return path.startswith(("http://", "https://"))


def kvstore_spec(path: str) -> dict[str, Any]:
    """The key-value store of the folder at `path`: a local path, or an http(s) address, which is read-only.

    Files are not flushed to the disk one by one: they outlive the process, not a power failure.
    """
    if not is_remote(path):
        return {"driver": "file", "path": f"{local_path(path)}/", "file_io_sync": False}
    url = urlsplit(path)
    return {"driver": "http", "base_url": f"{url.scheme}://{url.netloc}", "path": f"{url.path.rstrip('/')}/"}


def read_key(path: str, key: str) -> bytes | None:
    """The file `key` in the folder at `path`, local or http; None if it is not there.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    with translated(f"{path}/{key}"):
        found = ts.KvStore.open(kvstore_spec(path), context=context()).result().read(key).result()
    return None if found.state == "missing" else bytes(found.value)


def open_store(spec: Mapping[str, Any], name: str, **options: Any) -> ts.TensorStore:
    """Open (or create, by `options`) a tensorstore in the shared context; `name` stands for it in messages.

    Raises
    ------
    NotFound, AlreadyThere, UnsupportedFormat, StoreError
        As tensorstore says; an array whose metadata it does not take is an unsupported one.
    """
    with translated(name, invalid=UnsupportedFormat):
        return ts.open(dict(spec), context=context(), **options).result()


@contextmanager
def translated(name: str, *, invalid: type[VoxomeError] = CorruptData) -> Iterator[None]:
    """Turn tensorstore's errors into ours; `invalid` is for data or metadata that it cannot decode."""
    try:
        yield
    except VoxomeError:
        raise
    except (ValueError, RuntimeError, NotImplementedError, OverflowError, OSError) as error:
        kind, message = _sort(str(error), invalid)
        raise kind(f"{name}: {message}") from error


def _sort(text: str, invalid: type[VoxomeError]) -> tuple[type[VoxomeError], str]:
    short = _SPEC_TAIL.sub("", text)
    matched = _STATUS.match(short)
    if matched is None:
        return invalid, short
    kind = _BY_STATUS.get(matched[1], StoreError)
    if kind is not AlreadyThere and _OF_THE_DISK.search(short):
        kind = StoreError
    return (invalid if kind is CorruptData else kind), matched[2]


def arranged(store: ts.TensorStore, order: Sequence[int], start: Sequence[int] | None = None) -> ts.TensorStore:
    """A view of `store` with its axes in `order`, beginning at `start` (its own first index if None).

    The view is turned, not the array that was read: reading a turned view in C order is the fast way.
    """
    turned = store.transpose(list(order))
    return turned if start is None else turned[ts.d[:].translate_to[list(start)]]


def domain_of(store: ts.TensorStore) -> Box:
    """All indices of `store`."""
    return Box(tuple(store.domain.inclusive_min), tuple(store.domain.exclusive_max))


class TensorStoreSource:
    """One array behind a tensorstore handle whose axes and first index are those of `spec`.

    Parameters
    ----------
    store : tensorstore.TensorStore
        The handle, brought to the spec's axes by `arranged`.
    spec : VolumeSpec
        Shape and meaning.
    name : str
        The URI, for messages.
    writable : bool
        Whether it was opened for writing.
    metadata : (str, str)
        Folder and key of the file that describes the array; `version` looks at it.
    """

    concurrent_writers = True

    def __init__(
        self,
        store: ts.TensorStore,
        spec: VolumeSpec,
        *,
        name: str,
        writable: bool,
        metadata: tuple[str, str],
    ) -> None:
        if domain_of(store) != spec.domain:
            raise InvalidInput(f"{name}: the store holds {domain_of(store)}, its spec says {spec.domain}")
        self._store, self._spec, self.name = store, spec, name
        self._writable, self._metadata = writable, metadata

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        spec = self.spec
        self._check(box)
        if out is not None and out.shape != box.shape:
            raise InvalidBox(f"{self.name}: out has shape {out.shape}, the box {box} has {box.shape}")
        if box.empty:
            return np.empty(box.shape, spec.dtype) if out is None else out
        view = self._store[_slices(box)]
        with translated(self.name):
            if out is not None and out.dtype == spec.dtype and out.flags.writeable:
                ts.array(out, context=context()).write(view).result()
                return out
            data: NDArray[Any] = view.read(order="C").result()
        if out is None:
            return data
        out[...] = data
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        if not self._writable:
            raise ReadOnly(f"{self.name} is open for reading; open it with mode='r+'")
        self._check(box)
        if data.shape != box.shape:
            raise InvalidBox(f"{self.name}: data have shape {data.shape}, the box {box} has {box.shape}")
        if box.empty:
            return
        values = np.asarray(data).astype(self.spec.dtype, copy=False)
        with translated(self.name):
            self._store[_slices(box)].write(values).result()

    def version(self) -> Version:
        """A hint: the state of the array's metadata file."""
        path, key = self._metadata
        if is_remote(path):
            token = hashlib.sha256(read_key(path, key) or b"").hexdigest()[:16]
        else:
            with translated(self.name, invalid=StoreError):
                stat = (local_path(path) / key).stat()
            token = f"{stat.st_mtime_ns}-{stat.st_size}"
        return Version(token, pinned=False)

    def _check(self, box: Box) -> None:
        domain = self.spec.domain
        if box.ndim != domain.ndim or box not in domain:
            raise InvalidBox(f"{self.name}: box {box} is not inside the domain {domain}")


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
