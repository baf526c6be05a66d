"""tensorstore handles of zarr arrays; codecs that tensorstore lacks are decoded by numcodecs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numcodecs
import numpy as np
import tensorstore as ts
from numcodecs.errors import UnknownCodecError
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.normalize_metadata import codecs_without_tensorstore, normalize
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import context, open_store

Decode = Callable[[bytes], NDArray[Any]]

_NAMES_V3 = {"bzip2": "bz2"}
_VARIANTS = {"gzip": "zlib"}
_SELF_DESCRIBING = ("blosc", "gzip", "zlib", "bz2", "zstd", "lz4")


def open_handle(node: Node, *, writable: bool) -> ts.TensorStore:
    """Open the array `node`, its axes as stored.

    Raises
    ------
    UnsupportedFormat
        If it has a codec that is not read (or, if `writable`, not written); the message names it.
    """
    document, codecs = normalize(node), codecs_without_tensorstore(node)
    if codecs and writable:
        raise UnsupportedFormat(f"{node.folder} is encoded with {', '.join(codecs)}, which is read but not written")
    if codecs:
        return _open_with_numcodecs(node, document)
    spec: dict[str, Any] = {"driver": f"zarr{node.format}", "kvstore": node.folder.spec()}
    if document != node.document:
        spec |= {"metadata": document, "assume_metadata": True}
    return open_store(spec, str(node.folder), read=True, write=writable)


def _open_with_numcodecs(node: Node, document: Mapping[str, Any]) -> ts.TensorStore:
    """Return a read-only handle that decodes chunks with numcodecs; it cannot read shards."""
    try:
        if node.format == 2:
            dtype = np.dtype(document["dtype"])
            chunk, decode, key = tuple(document["chunks"]), _decode_v2(document, dtype), _key_v2(document)
        else:
            dtype = np.dtype(document["data_type"])
            chunk = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
            decode, key = _decode_v3(node, document, dtype, chunk), _key_v3(document)
    except (UnknownCodecError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UnsupportedFormat):
            raise
        raise UnsupportedFormat(f"{node.folder} has an encoding that is not read: {error!r}") from error
    fill = np.asarray(document.get("fill_value") or 0).astype(dtype)

    def read(domain: ts.IndexDomain, array: NDArray[Any], parameters: Any) -> None:
        box = Box.of_shape(domain.shape, domain.origin)
        index = box.coarsen(chunk).start
        data = _read_chunk(node.folder, key(index), decode)
        whole = Box.of_shape(chunk, tuple(i * n for i, n in zip(index, chunk, strict=True)))
        array[...] = fill if data is None else data[box.within(whole)]

    return ts.virtual_chunked(
        read_function=read,
        dtype=dtype.newbyteorder("="),
        shape=list(document["shape"]),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=chunk, write_chunk_shape=chunk),
        context=context(),
    )


def _read_chunk(folder: StoragePath, key: str, decode: Decode) -> NDArray[Any] | None:
    data = folder.read(key)
    if data is None:
        return None
    try:
        return decode(data)
    except Exception as error:
        raise CorruptData(f"{folder}/{key} cannot be decoded: {error}; restore it from a copy") from error


def _key_v2(document: Mapping[str, Any]) -> Callable[[Sequence[int]], str]:
    separator = document.get("dimension_separator") or "."
    return lambda index: separator.join(map(str, index))


def _key_v3(document: Mapping[str, Any]) -> Callable[[Sequence[int]], str]:
    encoding = document["chunk_key_encoding"]
    options = encoding.get("configuration") or {}
    if encoding["name"] == "v2":
        return lambda index: options.get("separator", ".").join(map(str, index))
    return lambda index: options.get("separator", "/").join(("c", *map(str, index)))


def _decode_v2(document: Mapping[str, Any], dtype: np.dtype[Any]) -> Decode:
    steps = [numcodecs.get_codec(dict(one)) for one in document.get("filters") or ()]
    if document.get("compressor"):
        steps.append(numcodecs.get_codec(dict(document["compressor"])))
    shape, order = tuple(document["chunks"]), document.get("order", "C")

    def decode(data: bytes) -> NDArray[Any]:
        for step in reversed(steps):
            data = step.decode(data)
        flat = np.frombuffer(np.ascontiguousarray(data), dtype)
        return flat.reshape(shape, order=order)

    return decode


def _decode_v3(node: Node, document: Mapping[str, Any], dtype: np.dtype[Any], chunk: tuple[int, ...]) -> Decode:
    codecs = list(document["codecs"])
    names = [codec["name"] for codec in codecs]
    order = tuple(range(len(chunk)))
    if names[0] == "transpose":
        order = tuple(codecs.pop(0)["configuration"]["order"])
    if not codecs or codecs[0]["name"] != "bytes":
        inner = ", ".join(codecs_without_tensorstore(node))
        raise UnsupportedFormat(f"{node.folder}: the codec {inner} inside {', '.join(names)} is not read")
    endian = (codecs.pop(0).get("configuration") or {}).get("endian", "little")
    steps = [_step_v3(codec) for codec in codecs]
    stored = dtype.newbyteorder("<" if endian == "little" else ">")

    def decode(data: bytes) -> NDArray[Any]:
        for step in reversed(steps):
            data = step.decode(data)
        turned = np.frombuffer(data, stored).reshape([chunk[i] for i in order])
        return turned.transpose(np.argsort(order))

    return decode


def _step_v3(codec: Mapping[str, Any]) -> Any:
    options = dict(codec.get("configuration") or {})
    name = codec["name"].removeprefix("numcodecs.")
    if options.pop("useZlib", False):
        name = _VARIANTS[name]
    name = _NAMES_V3.get(name, name)
    return numcodecs.get_codec({"id": name} if name in _SELF_DESCRIBING else {"id": name, **options})
