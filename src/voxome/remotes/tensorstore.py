"""What the stores that tensorstore reads have in common: a context, addresses, a source over a handle."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.config.settings import setting
from voxome.contracts.uri import without_secrets
from voxome.contracts.volume import Version, VolumeSpec
from voxome.errors import (
    AccessDenied,
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
from voxome.geometry import BlockGrid, Box

if TYPE_CHECKING:
    from voxome.remotes.places.base import Place

RETRIES = {"max_retries": 6, "initial_delay": "100ms", "max_delay": "1s"}
"""How often a request that failed in passing is sent again."""

LIMITS: dict[str, Any] = {
    "cache_pool": {"total_bytes_limit": 0},
    "file_io_concurrency": {"limit": 8},
    "http_request_concurrency": {"limit": 32},
    "http_request_retries": RETRIES,
    "s3_request_retries": RETRIES,
    "gcs_request_retries": RETRIES,
}
"""Options of the context that all stores of this process share; change them before the first is opened.

So many http requests at once are what tensorstore sends to S3 and Google too. From a server that answers after 50 ms,
125 chunks take 468 ms by 16 at once, 255 ms by 32 and 159 ms by 64; on the loopback 16 to 64 are within a tenth.
"""

_STALL = {"CONNECT_TIMEOUT_SECONDS": 10, "LOW_SPEED_TIME_SECONDS": 10, "LOW_SPEED_LIMIT_BYTES": 1}
_OPERATION_S = 3600

_SHARED: list[ts.Context] = []
_SPEC_TAIL = re.compile(r"\s*\[(tensorstore_spec|transform|domain|source locations)=.*", re.DOTALL)
_BODY = re.compile(r" *\[http_response_body='(.*?)'\]", re.DOTALL)
_TOLD = re.compile(r"<(?:Code|Message)>(.*?)</", re.DOTALL)
_WRITING = re.compile(r"Error writing|Failed to write")
_STATUS = re.compile(r"([A-Z_]+): (.*)", re.DOTALL)
_BY_STATUS: dict[str, type[VoxomeError]] = {
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyThere,
    "OUT_OF_RANGE": InvalidBox,
    "DATA_LOSS": CorruptData,
    "INVALID_ARGUMENT": CorruptData,
    "FAILED_PRECONDITION": CorruptData,
    "PERMISSION_DENIED": AccessDenied,
    "UNAUTHENTICATED": AccessDenied,
}
_ADVICE: dict[type[VoxomeError], str] = {
    AccessDenied: "; give other credentials (a profile, or the store's environment variables), ?anonymous=true where "
    "the bucket is public, or ?missing=403 where the store says 403 of keys that are not there",
}


def context() -> ts.Context:
    """The one context that all stores of this process share.

    A connection over which nothing comes for `STALL_S` seconds (``VOXOME_STALL_S``) is given up, and the request sent
    again as `RETRIES` says, unless the environment says otherwise in tensorstore's own variables.
    """
    if not _SHARED:
        for name, value in _STALL.items():
            told = setting("STALL_S", value) if name.endswith("_SECONDS") else value
            os.environ.setdefault(f"TENSORSTORE_CURL_{name}", str(told))
        _SHARED.append(ts.Context(LIMITS))
    return _SHARED[0]


def waited(future: Any) -> Any:
    """The result of one operation, for which ``VOXOME_OPERATION_S`` seconds (an hour if not set) are given."""
    return future.result(timeout=_patience_s())


def _patience_s() -> int:
    return setting("OPERATION_S", _OPERATION_S)


def open_store(spec: Mapping[str, Any], name: str, **options: Any) -> ts.TensorStore:
    """Open (or create, by `options`) a tensorstore in the shared context; `name` stands for it in messages.

    Raises
    ------
    NotFound, AlreadyThere, UnsupportedFormat, StoreError
        As tensorstore says; an array whose metadata it does not take is an unsupported one.
    """
    with translated(name, invalid=UnsupportedFormat):
        return waited(ts.open(dict(spec), context=context(), **options))


@contextmanager
def translated(name: str, *, invalid: type[VoxomeError] = CorruptData) -> Iterator[None]:
    """Turn tensorstore's errors into ours; `invalid` is for data or metadata that it cannot decode."""
    try:
        yield
    except VoxomeError:
        raise
    except TimeoutError as error:
        raise StoreError(
            f"{name}: not done after {_patience_s()} s, hence given up; ask for less at once, or set VOXOME_OPERATION_S"
        ) from error
    except (ValueError, RuntimeError, NotImplementedError, OverflowError, OSError) as error:
        kind, message = _sort(str(error), invalid)
        raise kind(without_secrets(f"{name}: {message}{_ADVICE.get(kind, '')}")) from error


def _sort(text: str, invalid: type[VoxomeError]) -> tuple[type[VoxomeError], str]:
    short = _BODY.sub(_told, _SPEC_TAIL.sub("", text))
    matched = _STATUS.match(short)
    if matched is None:
        return invalid, short
    kind = _BY_STATUS.get(matched[1], StoreError)
    if "[os_error_code=" in short and kind is not AlreadyThere:
        kind = StoreError
    if _WRITING.search(short) and kind not in (AlreadyThere, AccessDenied):
        kind = StoreError
    return (invalid if kind is CorruptData else kind), matched[2]


def _told(body: re.Match[str]) -> str:
    """What the server says in the body of its answer: of XML the code and the message, for the rest quotes requests."""
    said = ": ".join(_TOLD.findall(body[1])) or body[1]
    return f" [the server says: {said[:300]}]"


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
    metadata : (Place, str)
        Place and key of the file that describes the array; `version` looks at it.
    """

    concurrent_writers = True

    def __init__(
        self,
        store: ts.TensorStore,
        spec: VolumeSpec,
        *,
        name: str,
        writable: bool,
        metadata: tuple[Place, str],
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
        try:
            return self._read(box, out)
        except AccessDenied:
            if not self._metadata[0].denied_is_missing:
                raise
        return self._read_what_is_given(box, out)

    def _read(self, box: Box, out: NDArray[Any] | None) -> NDArray[Any]:
        view = self._store[_slices(box)]
        with translated(self.name):
            if out is not None and out.dtype == self.spec.dtype and out.flags.writeable:
                waited(ts.array(out, context=context()).write(view))
                return out
            data: NDArray[Any] = waited(view.read(order="C"))
        if out is None:
            return data
        out[...] = data
        return out

    def _read_what_is_given(self, box: Box, out: NDArray[Any] | None) -> NDArray[Any]:
        """Read shard by shard; those that the store denies are unwritten ones."""
        spec = self.spec
        found = np.empty(box.shape, spec.dtype) if out is None else out
        for block in BlockGrid(spec.domain, spec.write_chunk or spec.domain.shape, box):
            try:
                found[block.write.within(box)] = self._read(block.write, None)
            except AccessDenied:
                found[block.write.within(box)] = spec.fill
        return found

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
            waited(self._store[_slices(box)].write(values))

    def version(self) -> Version:
        """A hint: the state of the array's metadata file."""
        place, key = self._metadata
        return Version(place.state(key), pinned=False)

    def _check(self, box: Box) -> None:
        domain = self.spec.domain
        if box.ndim != domain.ndim or box not in domain:
            raise InvalidBox(f"{self.name}: box {box} is not inside the domain {domain}")


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
