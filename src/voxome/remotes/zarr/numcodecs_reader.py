"""Zarr arrays with codecs that tensorstore lacks: read chunk by chunk through numcodecs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numcodecs
import numpy as np
import tensorstore as ts
from numcodecs.errors import UnknownCodecError
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.normalize_metadata import foreign_codecs
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import context

Decode = Callable[[bytes], NDArray[Any]]

_NAMES_V3 = {"bzip2": "bz2"}
_VARIANTS = {"gzip": "zlib"}
_SELF_DESCRIBING = ("blosc", "gzip", "zlib", "bz2", "zstd", "lz4")


def foreign_handle(node: Node, document: Mapping[str, Any]) -> ts.TensorStore:
    """A read-only handle of the array `node` that decodes its chunks by numcodecs.

    Raises
    ------
    UnsupportedFormat
        If numcodecs lacks one of its codecs too, or the chunks are in shards.
    """
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
        raise UnsupportedFormat(f"{node.place} is encoded in a way that is not read: {error!r}") from error
    fill = np.asarray(document.get("fill_value") or 0).astype(dtype)

    def read(domain: ts.IndexDomain, array: NDArray[Any], parameters: Any) -> None:
        where = tuple(i // n for i, n in zip(domain.origin, chunk, strict=True))
        whole = _chunk(node.place, key(where), decode)
        first = [i - w * n for i, w, n in zip(domain.origin, where, chunk, strict=True)]
        inside = tuple(slice(f, f + n) for f, n in zip(first, domain.shape, strict=True))
        array[...] = fill if whole is None else whole[inside]

    return ts.virtual_chunked(
        read_function=read,
        dtype=dtype.newbyteorder("="),
        shape=list(document["shape"]),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=chunk, write_chunk_shape=chunk),
        context=context(),
    )


def _chunk(place: StoragePath, key: str, decode: Decode) -> NDArray[Any] | None:
    found = place.read(key)
    if found is None:
        return None
    try:
        return decode(found)
    except Exception as error:
        raise CorruptData(f"{place}/{key} cannot be decoded: {error}; restore it from a copy") from error


def _key_v2(document: Mapping[str, Any]) -> Callable[[Sequence[int]], str]:
    separator = document.get("dimension_separator") or "."
    return lambda where: separator.join(map(str, where))


def _key_v3(document: Mapping[str, Any]) -> Callable[[Sequence[int]], str]:
    encoding = document["chunk_key_encoding"]
    options = encoding.get("configuration") or {}
    if encoding["name"] == "v2":
        return lambda where: options.get("separator", ".").join(map(str, where))
    return lambda where: options.get("separator", "/").join(("c", *map(str, where)))


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
        foreign = ", ".join(foreign_codecs(node))
        raise UnsupportedFormat(f"{node.place} is encoded with {', '.join(names)}, and in it {foreign}: not read")
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
