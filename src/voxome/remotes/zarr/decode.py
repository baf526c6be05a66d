"""Chunks of zarr arrays decoded by numcodecs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numcodecs
import numpy as np
from numcodecs.errors import UnknownCodecError
from numpy.typing import NDArray

from voxome.errors import UnsupportedFormat
from voxome.remotes.decompression import CODECS, decompress

Decode = Callable[[bytes], NDArray[Any]]
"""Returns the voxels of a chunk."""

Codec = Mapping[str, Any]

_REFUSED = ("pickle", "json2", "msgpack2", "categorize", "vlen-array", "vlen-bytes", "vlen-utf8")
"""Codecs of Python objects, never of numbers; pickles can run any code."""
_FILTERS = ("astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize")
"""Codecs of numcodecs from arrays to arrays."""
_TO_BYTES = ("pcodec", "zfpy")
"""Codecs of numcodecs from arrays to bytes."""
_TYPED = {"delta": "dtype", "fixedscaleoffset": "dtype", "quantize": "dtype", "astype": "decode_dtype"}
"""Filter → its option that defaults to the data type of the array."""
_STORED_TYPE = {"delta": "astype", "fixedscaleoffset": "astype", "astype": "encode_dtype"}
"""Filter → its option with the data type of what it stores."""
_NAMES_V3 = {"bzip2": "bz2"}
_VARIANTS = {"gzip": "zlib"}
_SELF_DESCRIBING = ("blosc", "gzip", "zlib", "bz2", "zstd", "lz4")


def decoder_v2(document: Mapping[str, Any], dtype: np.dtype[Any]) -> Decode:
    """Return the function that decodes chunks of a zarr v2 array.

    Raises
    ------
    UnsupportedFormat
        If a filter or the compressor is unknown; the message names it.
    """
    shape, order = tuple(document["chunks"]), document.get("order", "C")
    codecs = [dict(one) for one in document.get("filters") or ()]
    if document.get("compressor"):
        codecs.append(dict(document["compressor"]))
    limit = _most_bytes(codecs, dtype, shape)
    steps = [_decoder(one, limit) for one in codecs]

    def decode(data: Any) -> NDArray[Any]:
        for step in reversed(steps):
            data = step(data)
        flat = np.frombuffer(np.ascontiguousarray(data), dtype)
        return flat.reshape(shape, order=order)

    return decode


def decoder_v3(codecs: Sequence[Codec], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Decode:
    """Return the function that decodes chunks of a zarr v3 array, or those inside its shards.

    Parameters
    ----------
    codecs : sequence of mappings
        Codecs in their long form, in the order of encoding: of arrays, from array to bytes, of bytes.
    dtype : numpy.dtype
        Data type of the array.
    shape : tuple of int
        Shape of a chunk.

    Raises
    ------
    UnsupportedFormat
        If a codec is unknown, or not read in this place; the message names it.
    """
    steps: list[Callable[[Any], Any]] = []
    rest = list(codecs)
    while rest and _short_name(rest[0]) in ("transpose", *_FILTERS):
        step, dtype, shape = _array_step(rest.pop(0), dtype, shape)
        steps.append(step)
    if not rest or _short_name(rest[0]) not in ("bytes", *_TO_BYTES):
        names = ", ".join(codec["name"] for codec in codecs)
        raise UnsupportedFormat(f"the codecs {names} are not read in this order")
    steps.append(_bytes_step(rest.pop(0), dtype, shape))
    limit = _most_bytes((), dtype, shape)
    steps += [_decoder(_options(codec, dtype), limit) for codec in rest]

    def decode(data: Any) -> NDArray[Any]:
        for step in reversed(steps):
            data = step(data)
        return data

    return decode


def _array_step(
    codec: Codec, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> tuple[Callable[[NDArray[Any]], NDArray[Any]], np.dtype[Any], tuple[int, ...]]:
    """Return what undoes a codec of arrays of `dtype` and `shape`, and dtype and shape of the arrays that it stores."""
    if codec["name"] == "transpose":
        order = tuple(codec["configuration"]["order"])
        back = np.argsort(order)
        return lambda array: array.transpose(back), dtype, tuple(shape[i] for i in order)
    name, options = _short_name(codec), _options(codec, dtype)
    step = _codec(options)

    def undo(array: NDArray[Any]) -> NDArray[Any]:
        decoded = np.asarray(step.decode(np.ascontiguousarray(array)))
        return decoded.reshape(shape).astype(dtype, casting="equiv", copy=False)

    if name == "packbits":
        return undo, np.dtype("uint8"), (1 + math.ceil(math.prod(shape) / 8),)
    return undo, np.dtype(options.get(_STORED_TYPE.get(name, ""), dtype)), shape


def _bytes_step(codec: Codec, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Callable[[Any], NDArray[Any]]:
    """Return what makes an array of `dtype` and `shape` of bytes."""
    if codec["name"] != "bytes":
        step = _codec(_options(codec, dtype))
        return lambda data: np.asarray(step.decode(data)).reshape(shape).astype(dtype, casting="equiv", copy=False)
    endian = codec.get("configuration", {}).get("endian", "little")
    stored, native = dtype.newbyteorder("<" if endian == "little" else ">"), dtype.newbyteorder("=")
    return lambda data: np.frombuffer(data, stored).reshape(shape).astype(native, copy=False)


def _short_name(codec: Codec) -> str:
    name: str = codec["name"].removeprefix("numcodecs.")
    return name


def _options(codec: Codec, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return the configuration of a codec of zarr v3 for numcodecs; `dtype` is that of the array before it."""
    options = dict(codec.get("configuration", {}))
    name = _short_name(codec)
    if options.pop("useZlib", False):
        name = _VARIANTS[name]
    name = _NAMES_V3.get(name, name)
    if name in _SELF_DESCRIBING:
        return {"id": name}
    if name in _TYPED:
        options.setdefault(_TYPED[name], dtype.str)
    if name == "shuffle":
        options.setdefault("elementsize", dtype.itemsize)
    return {"id": name, **options}


def _most_bytes(codecs: Iterable[Codec], dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return how many bytes a chunk may have behind any of its codecs; a little more than voxels, for checksums."""
    stored = [dtype]
    for one in codecs:
        option = _STORED_TYPE.get(one["id"], "")
        if option in one:
            stored.append(np.dtype(one[option]))
    plain = math.prod(shape) * max(one.itemsize for one in stored)
    return plain + plain // 64 + (1 << 12)


def _decoder(options: dict[str, Any], limit: int) -> Callable[[Any], Any]:
    """Return what decodes bytes; never to more than `limit` of them, where a codec can make more of them."""
    decode: Callable[[Any], Any] = _codec(options).decode
    if options["id"] in CODECS:
        return lambda data: decompress(options["id"], data, limit, options)
    return decode


def _codec(options: dict[str, Any]) -> Any:
    if options["id"] in _REFUSED:
        raise UnsupportedFormat(f"the codec {options['id']} is for Python objects, not for numbers; it is not read")
    try:
        return numcodecs.get_codec(options)
    except UnknownCodecError as error:
        raise UnsupportedFormat(f"the codec {error.codec_id} is not read") from error
