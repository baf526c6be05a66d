"""tensorstore handles of zarr arrays; codecs that tensorstore lacks are decoded by numcodecs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.remotes.zarr.chunk_keys import Key, chunk_key
from voxome.remotes.zarr.decode import Decode, decoder_v2, decoder_v3
from voxome.remotes.zarr.fill_values import decode_fill
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.normalize_metadata import codecs_without_tensorstore
from voxome.remotes.zarr.shards import Shards
from voxome.storage.tensorstore import context, open_store, require_chunk


class Reader(NamedTuple):
    """How the chunks of an array are read without tensorstore's codecs."""

    chunk: tuple[int, ...]
    """Shape of a chunk."""
    dtype: np.dtype[Any]
    """Data type of the array."""
    fetch: Callable[[tuple[int, ...]], bytes | None]
    """Returns the encoded chunk of an index in the grid of chunks; None if it is not stored."""
    decode: Decode
    """Decodes it."""
    name: Key
    """Names it in messages."""


def open_handle(node: Node, document: Mapping[str, Any], *, writable: bool) -> ts.TensorStore:
    """Open the array `node`, its axes as stored.

    Parameters
    ----------
    node : Node
        The array.
    document : mapping
        Its normalized metadata.
    writable : bool
        Whether it will be written.

    Raises
    ------
    UnsupportedFormat
        If it has a codec that is not read (or, if `writable`, not written); the message names it.
    """
    codecs = ", ".join(codecs_without_tensorstore(document))
    if codecs and writable:
        raise UnsupportedFormat(f"{node.folder} is encoded with {codecs}, which is read but not written")
    if codecs:
        return _open_with_numcodecs(node, document, codecs)
    spec = {
        "driver": f"zarr{node.format}",
        "kvstore": node.folder.spec(),
        "metadata": dict(document),
        "assume_metadata": True,
    }
    return open_store(spec, str(node.folder), read=True, write=writable)


def _open_with_numcodecs(node: Node, document: Mapping[str, Any], codecs: str) -> ts.TensorStore:
    """Return a read-only handle whose chunks are decoded by numcodecs."""
    try:
        reader = (_reader_v2 if node.format == 2 else _reader_v3)(node, document)
    except VoxomeError as error:
        raise UnsupportedFormat(f"{node.folder}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UnsupportedFormat(f"{node.folder}: {codecs} cannot be read as configured: {error}") from error
    require_chunk(str(node.folder), reader.chunk, reader.dtype)
    chunk, fill = reader.chunk, decode_fill(document.get("fill_value"), reader.dtype)

    def read(domain: ts.IndexDomain, array: NDArray[Any], parameters: Any) -> None:
        box = Box.of_shape(domain.shape, domain.origin)
        index = box.coarsen(chunk).start
        encoded = reader.fetch(index)
        if encoded is None:
            array[...] = fill
            return
        whole = Box.of_shape(chunk, tuple(i * n for i, n in zip(index, chunk, strict=True)))
        try:
            array[...] = reader.decode(encoded)[box.within(whole)]
        except Exception as error:
            raise CorruptData(
                f"{node.folder}/{reader.name(index)} cannot be decoded: {error}; restore it from a copy"
            ) from error

    return ts.virtual_chunked(
        read_function=read,
        dtype=reader.dtype.newbyteorder("="),
        shape=list(document["shape"]),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=chunk, write_chunk_shape=chunk),
        context=context(),
    )


def _reader_v2(node: Node, document: Mapping[str, Any]) -> Reader:
    dtype, key = np.dtype(document["dtype"]), chunk_key(document)
    decode = decoder_v2(document, dtype)
    return Reader(tuple(document["chunks"]), dtype, lambda index: node.folder.read(key(index)), decode, key)


def _reader_v3(node: Node, document: Mapping[str, Any]) -> Reader:
    dtype, key = np.dtype(document["data_type"]), chunk_key(document)
    codecs, chunk = document["codecs"], tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
    if codecs[0]["name"] != "sharding_indexed":
        decode = decoder_v3(codecs, dtype, chunk)
        return Reader(chunk, dtype, lambda index: node.folder.read(key(index)), decode, key)
    if len(codecs) > 1:
        raise UnsupportedFormat(f"the codec {codecs[1]['name']} after sharding_indexed is not read")
    shards = Shards(node.folder, key, codecs[0]["configuration"], chunk)
    decode = decoder_v3(codecs[0]["configuration"]["codecs"], dtype, shards.chunk)
    return Reader(shards.chunk, dtype, shards.read, decode, shards.name)
