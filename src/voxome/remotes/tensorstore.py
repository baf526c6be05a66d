"""One array behind a tensorstore handle, as a volume source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.contracts.source import Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import AccessDenied, CorruptData, InvalidBox, InvalidInput, UnsupportedFormat
from voxome.geometry import BlockGrid, Box
from voxome.remotes.arrays import require_writable
from voxome.remotes.staged_chunks import ChunksInShards, StagedChunks
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import context, map_errors, result_of

_LAST_INDEX = 2**62 - 2
"""The largest index of tensorstore."""


def reorder_axes(store: ts.TensorStore, order: Sequence[int], start: Sequence[int] | None = None) -> ts.TensorStore:
    """Return a view of `store` with its axes in `order`, beginning at `start` (its own first index if None).

    The view is transposed rather than the array that is read: reading a transposed view in C order is faster.
    """
    transposed = store.transpose(list(order))
    if start is None:
        return transposed
    if any(abs(index) > _LAST_INDEX for index in start):
        raise CorruptData("its metadata place an array beyond the indices that have 64 bits; correct its start")
    return transposed[ts.d[:].translate_to[list(start)]]


def domain_of(store: ts.TensorStore) -> Box:
    """Return all indices of `store`."""
    return Box(tuple(store.domain.inclusive_min), tuple(store.domain.exclusive_max))


def encode_array(spec: Mapping[str, Any], voxels: NDArray[Any], name: str) -> bytes:
    """Return the file of an array of one chunk, encoded in memory.

    Parameters
    ----------
    spec : mapping
        Driver and metadata of an array whose only chunk has the shape of `voxels`.
    voxels : array
        All of its voxels, with the axes of the driver.
    name : str
        What is encoded, for messages.
    """
    with map_errors(name, invalid=UnsupportedFormat):
        _, files, chunk = _one_chunk(spec, voxels)
        return bytes(files[chunk])


def decode_array(spec: Mapping[str, Any], content: bytes, shape: Sequence[int], name: str) -> NDArray[Any]:
    """Return the voxels in the file of an array of one chunk, decoded in memory.

    Parameters
    ----------
    spec : mapping
        Driver and metadata of an array whose only chunk has this shape.
    content : bytes
        The file.
    shape : sequence of int
        Shape of the array, with the axes of the driver.
    name : str
        What is decoded, for messages.

    Raises
    ------
    CorruptData, UnsupportedFormat
        If it is not such a file.
    """
    with map_errors(name, invalid=CorruptData):
        store, files, chunk = _one_chunk(spec, np.zeros(shape, np.uint8))
        files[chunk] = content
        voxels: NDArray[Any] = store.read(order="F").result()
        return voxels


def _one_chunk(spec: Mapping[str, Any], voxels: NDArray[Any]) -> tuple[ts.TensorStore, ts.KvStore, bytes]:
    """Return an array in memory with these voxels, its files, and the name of that of its only chunk."""
    memory: dict[str, Any] = {"kvstore": {"driver": "memory"}, "store_data_equal_to_fill_value": True}
    own = ts.Context()
    store = ts.open({**spec, **memory}, context=own, create=True).result()
    files = ts.KvStore.open(memory["kvstore"], context=own).result()
    metadata = set(files.list().result())
    store.write(voxels).result()
    (chunk,) = set(files.list().result()) - metadata
    return store, files, chunk


class TensorStoreSource:
    """One array behind a tensorstore handle whose axes and first index are those of `spec`.

    Parameters
    ----------
    store : tensorstore.TensorStore
        Handle with the axes of the spec, by `reorder_axes`.
    spec : VolumeSpec
        Shape and meaning.
    name : str
        The URI, for messages.
    writable : bool
        Whether it was opened for writing.
    metadata : (StoragePath, str)
        Folder and name of the file that describes the array; `version` is derived from it.
    """

    concurrent_writers = True

    def __init__(
        self,
        store: ts.TensorStore,
        spec: VolumeSpec,
        *,
        name: str,
        writable: bool,
        metadata: tuple[StoragePath, str],
    ) -> None:
        if domain_of(store) != spec.domain:
            raise InvalidInput(f"{name}: the store has the domain {domain_of(store)}, its spec {spec.domain}")
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
        return self._read_by_shard(box, out)

    def _read(self, box: Box, out: NDArray[Any] | None) -> NDArray[Any]:
        fits = out is not None and out.dtype == self.spec.dtype and out.flags.writeable
        data = out if out is not None and fits else np.empty(box.shape, self.spec.dtype)  # tensorstore would abort
        try:
            with map_errors(self.name):
                result_of(ts.array(data, context=context()).write(self._store[_slices(box)]))
        except InvalidBox as error:  # of bytes in a shard, as the box is inside the array
            raise CorruptData(str(error)) from error
        if out is None or fits:
            return data
        out[...] = data
        return out

    def _read_by_shard(self, box: Box, out: NDArray[Any] | None) -> NDArray[Any]:
        """Read shard by shard; those that the store denies count as unwritten."""
        spec = self.spec
        data = np.empty(box.shape, spec.dtype) if out is None else out
        for block in BlockGrid(spec.domain, spec.write_chunk or spec.domain.shape, box):
            try:
                data[block.write.within(box)] = self._read(block.write, None)
            except AccessDenied:
                data[block.write.within(box)] = spec.fill
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self._write(self._store, box, data)

    @contextmanager
    def stage(self) -> Iterator[Callable[[Box, NDArray[Any]], None]]:
        """Collect voxels in memory, and store them at the end, unless it fails.

        Chunks inside shards are encoded as soon as all of their voxels have come.

        Yields
        ------
        function of a box and its voxels
            Like `write`.
        """
        shards = self._chunks_in_shards()
        if shards is not None:
            with map_errors(self.name):
                view = cast("ts.IndexTransform", self._store.spec().transform)  # an open store has one
                staged = StagedChunks(shards, view, self.spec.domain, self.read)
            yield partial(self._collect, staged)
            with map_errors(self.name):
                staged.store()
            return
        with map_errors(self.name):
            transaction = ts.Transaction()
        try:
            yield partial(self._write, self._store.with_transaction(transaction))
        except BaseException:
            transaction.abort()
            raise
        with map_errors(self.name):
            transaction.commit_sync()

    def _chunks_in_shards(self) -> ChunksInShards | None:
        """Return the chunks in the shards of the array; None if they cannot be encoded one by one."""
        return None

    def _collect(self, staged: StagedChunks, box: Box, data: NDArray[Any]) -> None:
        values = self._values(box, data)
        if not box.empty:
            with map_errors(self.name):
                staged.put(box, values)

    def _write(self, store: ts.TensorStore, box: Box, data: NDArray[Any]) -> None:
        values = self._values(box, data)
        if not box.empty:
            with map_errors(self.name):
                result_of(store[_slices(box)].write(values))

    def _values(self, box: Box, data: NDArray[Any]) -> NDArray[Any]:
        """Return the voxels to write in the data type of the array.

        Raises
        ------
        ReadOnly
            If it is open for reading.
        InvalidBox
            If the box leaves the domain, or the data have another shape.
        """
        self._require_writable()
        self._check(box)
        if data.shape != box.shape:
            raise InvalidBox(f"{self.name}: data have shape {data.shape}, the box {box} has {box.shape}")
        return np.asarray(data).astype(self.spec.dtype, copy=False)

    def version(self) -> Version:
        """Return the state of the array's metadata file, which is only a hint."""
        folder, key = self._metadata
        return Version(folder.state(key), pinned=False)

    def voxel_version(self) -> Version | None:
        """Return the state of all files of the array on this machine; None for other stores, which list too slowly."""
        state = self._metadata[0].tree_state()
        return None if state is None else Version(state, pinned=False, covers_voxels=True)

    def _require_writable(self) -> None:
        require_writable(self.name, "r+" if self._writable else "r")

    def _check(self, box: Box) -> None:
        domain = self.spec.domain
        if box.ndim != domain.ndim or box not in domain:
            raise InvalidBox(f"{self.name}: box {box} is not inside the domain {domain}")


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
