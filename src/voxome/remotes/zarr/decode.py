"""Chunks of zarr arrays decoded by numcodecs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numcodecs
import numpy as np
from numcodecs.errors import UnknownCodecError
from numpy.typing import NDArray

from voxome.errors import UnsupportedFormat
from voxome.remotes.decompression import CODECS, decompress
from voxome.storage.tensorstore import require_chunk

Decode = Callable[[bytes], NDArray[Any]]
"""Returns the voxels of a chunk."""

Codec = Mapping[str, Any]

_FILTERS = ("astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize")
"""Codecs of numcodecs from arrays to arrays."""
_OF_BYTES = ("adler32", "base64", "crc32", "crc32c", "fletcher32", "jenkins_lookup3", "shuffle")
"""Codecs of numcodecs from bytes to bytes, none of which makes more of them; those that do are in `CODECS`."""
_READ = (*_FILTERS, *_OF_BYTES, *(name for name in CODECS if name != "br"))
"""All codecs of numcodecs that are read; others are for Python objects, can run any code, or have no limit."""
_TYPED = {"delta": "dtype", "fixedscaleoffset": "dtype", "quantize": "dtype", "astype": "decode_dtype"}
"""Filter → its option that defaults to the data type of the array."""
_STORED_TYPE = {"delta": "astype", "fixedscaleoffset": "astype", "astype": "encode_dtype"}
"""Filter → its option with the data type of what it stores."""
_TYPES = ("dtype", "astype", "encode_dtype", "decode_dtype")
"""Options of filters that are data types."""
_NAMES_V3 = {"bzip2": "bz2"}
_VARIANTS = {"gzip": "zlib"}
_SELF_DESCRIBING = ("blosc", "gzip", "zlib", "bz2", "zstd", "lz4")


def decoder_v2(document: Mapping[str, Any], dtype: np.dtype[Any]) -> Decode:
    """Return the function that decodes chunks of a zarr v2 array.

    Raises
    ------
    UnsupportedFormat
        If a filter or the compressor is not read, has other values than numbers, or is too large; it is named.
    """
    shape, order = tuple(document["chunks"]), document.get("order", "C")
    codecs = [dict(one) for one in document.get("filters") or ()]
    if document.get("compressor"):
        codecs.append(dict(document["compressor"]))
    steps: list[Callable[[Any], Any]] = []
    stored, kept = dtype, shape
    for one in codecs:
        if one["id"] in _FILTERS:
            stored, kept = _stored(one, stored, kept)
            steps.append(_filter(one, math.prod(kept) * stored.itemsize))
        else:
            steps.append(_decoder(one, _most_bytes(stored, kept)))

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
        If a codec is not read, or not in this place, has other values than numbers, or is too large; it is named.
    """
    steps: list[Callable[[Any], Any]] = []
    rest = list(codecs)
    while rest and _short_name(rest[0]) in ("transpose", *_FILTERS):
        step, dtype, shape = _array_step(rest.pop(0), dtype, shape)
        steps.append(step)
    if not rest or rest[0]["name"] != "bytes":
        names = ", ".join(codec["name"] for codec in codecs)
        raise UnsupportedFormat(f"the codecs {names} are not read in this order")
    steps.append(_bytes_step(rest.pop(0), dtype, shape))
    limit = _most_bytes(dtype, shape)
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
    options = _options(codec, dtype)
    stored, stored_shape = _stored(options, dtype, shape)
    step = _codec(options)

    def undo(array: NDArray[Any]) -> NDArray[Any]:
        decoded = np.asarray(step.decode(np.ascontiguousarray(array)))
        return decoded.reshape(shape).astype(dtype, casting="equiv", copy=False)

    return undo, stored, stored_shape


def _stored(
    options: Mapping[str, Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return data type and shape of what a filter stores of a chunk of `dtype` and `shape`."""
    name = options["id"]
    for one in (np.dtype(options[option]) for option in _TYPES if options.get(option) is not None):
        if one.kind not in "biuf":
            raise UnsupportedFormat(f"the filter {name} has the data type {one}; expected one of numbers")
        require_chunk(f"the filter {name}", shape, one)
    if name == "fixedscaleoffset":
        _require_scale(options)
    if name == "packbits":
        return np.dtype("uint8"), (1 + math.ceil(math.prod(shape) / 8),)
    return np.dtype(options.get(_STORED_TYPE.get(name, "")) or options.get(_TYPED.get(name, "")) or dtype), shape


def _require_scale(options: Mapping[str, Any]) -> None:
    """Refuse a scale and offset with which no voxels can be restored."""
    scale, offset = options.get("scale"), options.get("offset")
    for value in (scale, offset):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or scale == 0:
            raise UnsupportedFormat(
                f"the filter fixedscaleoffset has the scale {scale!r:.50} and the offset {offset!r:.50}; "
                "expected finite numbers, and a scale other than 0"
            )


def _filter(options: dict[str, Any], most: int) -> Callable[[Any], Any]:
    """Return what undoes a filter of zarr v2, which has stored at most so many bytes."""
    decode: Callable[[Any], Any] = _codec(options).decode

    def undo(data: Any) -> Any:
        found = memoryview(data).nbytes
        if found > most:
            raise ValueError(f"the filter {options['id']} has {found:,} bytes; expected {most:,}")
        return decode(data)

    return undo


def _bytes_step(codec: Codec, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Callable[[Any], NDArray[Any]]:
    """Return what makes an array of `dtype` and `shape` of bytes."""
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


def _most_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return how many bytes a chunk may have behind any of its codecs; a little more than voxels, for checksums."""
    plain = math.prod(shape) * dtype.itemsize
    return plain + plain // 64 + (1 << 12)


def _decoder(options: dict[str, Any], limit: int) -> Callable[[Any], Any]:
    """Return what decodes bytes; never to more than `limit` of them, where a codec can make more of them."""
    decode: Callable[[Any], Any] = _codec(options).decode
    if options["id"] in CODECS:
        return lambda data: decompress(options["id"], data, limit, options)
    return decode


def _codec(options: dict[str, Any]) -> Any:
    if options["id"] not in _READ:
        raise UnsupportedFormat(f"the codec {options['id']!r} is not read; expected one of {', '.join(_READ)}")
    try:
        return numcodecs.get_codec(options)
    except UnknownCodecError as error:
        raise UnsupportedFormat(f"the codec {error.codec_id} is not in the numcodecs that is installed") from error
