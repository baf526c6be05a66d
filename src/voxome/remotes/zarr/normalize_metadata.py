"""Zarr metadata rewritten where tensorstore is stricter than the writers; codecs that it does not have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voxome.contracts.spec import LAST_INDEX
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.json_members import (
    problem_of,
    require_list,
    require_object,
    require_text,
    require_whole_numbers,
    wrong_member,
)
from voxome.remotes.zarr.fill_values import decode_fill, encode_fill, is_hexadecimal
from voxome.remotes.zarr.metadata import Node

KNOWN_V2: dict[str, set[str]] = {
    "blosc": {"id", "cname", "clevel", "shuffle", "blocksize"},
    "zlib": {"id", "level"},
    "gzip": {"id", "level"},
    "bz2": {"id", "level"},
    "zstd": {"id", "level"},
}
"""Zarr v2 compressors that tensorstore has, with their options."""

KNOWN_V3: dict[str, set[str]] = {
    "blosc": {"cname", "clevel", "shuffle", "typesize", "blocksize"},
    "gzip": {"level"},
    "zstd": {"level", "checksum"},
    "bytes": {"endian"},
    "transpose": {"order"},
    "crc32c": set(),
    "sharding_indexed": {"chunk_shape", "codecs", "index_codecs", "index_location"},
}
"""Zarr v3 codecs that tensorstore has, with their options."""

_REQUIRED_V3 = {"transpose": ("order",), "sharding_indexed": ("chunk_shape", "codecs", "index_codecs")}
"""Options without which the bytes of a chunk mean nothing."""

SEPARATORS = {"default": "/", "v2": "."}
"""Chunk key encodings of zarr v3 → the separator that each has unless its configuration says otherwise."""

_MOST_VOXELS = 1 << 59
"""Voxels of a chunk or shard, at most: their bytes have to be a number of 63 bits."""
_NUMERIC = "biuf"
_FLOATS = ("float16", "float32", "float64")
_TYPES = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), *_FLOATS)
_ONE_BYTE = ("bool", "int8", "uint8", "int4", "uint4")
_NOT_NUMPY = ("bfloat16", "int4", "uint4")

_ARRAY_V3 = (
    *("zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"),
)
"""Members of the metadata of a zarr v3 array that decide how its chunks are read."""
_OTHERS_V3 = ("dimension_names", "attributes", "consolidated_metadata", "storage_transformers")


def normalize(node: Node) -> dict[str, Any]:
    """Return the metadata of an array in the form that tensorstore accepts.

    Java writes numbers as strings, gzip's level -1, and keys that matter to the writer only; Rust writes codecs and
    chunk key encodings without configuration as plain strings. Attributes are left out: they may contain NaN.

    Raises
    ------
    UnsupportedFormat
        If its data type is not a number, or it has an extension of zarr that is not read; the message names it.
    CorruptData
        If the metadata do not follow the specification.
    """
    try:
        if node.document["zarr_format"] != node.format:
            raise ValueError(f"zarr_format is {node.document['zarr_format']!r}, not {node.format}")
        return _normalize_v2(node) if node.format == 2 else _normalize_v3(node)
    except UnsupportedFormat as error:
        raise UnsupportedFormat(f"{node.folder}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptData(
            f"{node.folder}: its metadata do not follow zarr v{node.format}: {problem_of(error)}; correct them, or "
            "restore them from a copy"
        ) from error


def long_form(member: str, extension: Any) -> dict[str, Any]:
    """Return a codec, grid or data type of zarr v3 as an object with ``name`` and, where it has any, ``configuration``.

    The specification also allows the name alone, and ``must_understand``, which changes nothing for what has to be
    understood. `member` names it in messages.
    """
    one = {"name": extension} if isinstance(extension, str) else extension
    if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
        raise wrong_member(member, extension, "a name, or an object with a name")
    if not one.get("configuration"):
        return {"name": one["name"]}
    require_object(f"configuration of {member}", one["configuration"])
    return {key: value for key, value in one.items() if key != "must_understand"}


def _normalize_v2(node: Node) -> dict[str, Any]:
    document = dict(node.document)
    _require(document, "shape", "chunks", "dtype", "order", "compressor")
    document["shape"] = _shape(document["shape"])
    document["chunks"] = _chunk("chunks", document["chunks"], len(document["shape"]))
    if document["order"] not in ("C", "F"):
        raise wrong_member("order", document["order"], "'C' or 'F'")
    dtype = _numeric(document["dtype"])
    document["dtype"] = dtype.str
    if document.get("fill_value") is not None:
        document["fill_value"] = encode_fill(decode_fill(document["fill_value"], dtype), dtype)
    compressor = document["compressor"]
    if compressor is not None:
        require_object("compressor", compressor)
    if compressor and _id(compressor) in KNOWN_V2:
        document["compressor"] = _keep_known(compressor["id"], compressor, KNOWN_V2[compressor["id"]])
    document["filters"] = [{**one, "id": _id(one)} for one in _filters(document)] or None
    if document.get("dimension_separator") is None:
        document["dimension_separator"] = SEPARATORS["v2"]
    if document["dimension_separator"] not in SEPARATORS.values():
        raise wrong_member("dimension_separator", document["dimension_separator"], "'.' or '/'")
    return document


def _filters(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [require_object("a filter", one) for one in require_list("filters", document.get("filters") or [])]


def _shape(value: Any) -> list[int]:
    shape = require_whole_numbers("shape", value, 0)
    if not shape:
        raise UnsupportedFormat("it is a single value; expected an array of at least one axis")
    if max(shape) > LAST_INDEX:
        raise wrong_member("shape", shape, f"at most {LAST_INDEX:,} voxels along an axis")
    return shape


def _chunk(name: str, value: Any, ndim: int) -> list[int]:
    chunk = require_whole_numbers(name, value, 1, ndim)
    if math.prod(chunk) > _MOST_VOXELS:
        raise wrong_member(name, chunk, f"at most {_MOST_VOXELS:,} voxels")
    return chunk


def _id(codec: Mapping[str, Any]) -> str:
    return require_text("the id of a codec", codec["id"])


def _normalize_v3(node: Node) -> dict[str, Any]:
    _refuse_extensions(node)
    document = {key: node.document[key] for key in _ARRAY_V3}
    document["shape"] = _shape(document["shape"])
    ndim = len(document["shape"])
    if node.document.get("dimension_names") is not None:
        document["dimension_names"] = _dimension_names(node.document["dimension_names"], ndim)
    document["data_type"] = _data_type(document["data_type"])
    if document["data_type"] not in _NOT_NUMPY:
        document["fill_value"] = _fill_v3(document["fill_value"], np.dtype(document["data_type"]))
    document["chunk_grid"] = long_form("chunk_grid", document["chunk_grid"])
    _require_known("chunk grid", document["chunk_grid"]["name"], ("regular",))
    chunk = _chunk("chunk_shape", document["chunk_grid"]["configuration"]["chunk_shape"], ndim)
    document["chunk_grid"]["configuration"] = {"chunk_shape": chunk}
    document["chunk_key_encoding"] = _chunk_key_encoding(document["chunk_key_encoding"])
    document["codecs"] = _codecs(document["codecs"], several_bytes=document["data_type"] not in _ONE_BYTE)
    return document


def _dimension_names(value: Any, ndim: int) -> list[str | None]:
    names = require_list("dimension_names", value)
    texts = [name for name in names if name is not None]
    if len(names) != ndim or not all(isinstance(name, str) for name in texts):
        raise wrong_member("dimension_names", names, f"a name (or null) for each of {ndim} axes")
    if twice := sorted({name for name in texts if name and texts.count(name) > 1}):
        raise UnsupportedFormat(f"it has several axes named {', '.join(twice)}; expected a name for each axis, or none")
    return list(names)


def _require(document: Mapping[str, Any], *members: str) -> None:
    """Raise KeyError for a member that is missing: tensorstore would put its own default there."""
    for name in members:
        document[name]


def _refuse_extensions(node: Node) -> None:
    """Refuse members of the metadata that a reader has to understand and voxome does not."""
    if transformers := node.document.get("storage_transformers"):
        names = ", ".join(long_form("storage_transformers", one)["name"] for one in transformers)
        raise UnsupportedFormat(f"it has the storage transformer {names}, which is not read")
    for key, value in node.document.items():
        optional = isinstance(value, Mapping) and value.get("must_understand") is False
        if key not in (*_ARRAY_V3, *_OTHERS_V3) and not optional:
            raise UnsupportedFormat(f"it has the extension {key!r} of zarr v3, which is not read")


def _require_known(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UnsupportedFormat(f"it has the {what} {name!r}; {' and '.join(known)} can be read")


def _data_type(extension: Any) -> str:
    named = long_form("data_type", extension)
    name: str = named["name"]
    if name not in (*_TYPES, *_NOT_NUMPY) or "configuration" in named:
        raise UnsupportedFormat(f"it has values of type {name}; voxome reads booleans, integers and floats")
    return name


def _fill_v3(fill: Any, dtype: np.dtype[Any]) -> Any:
    if fill is None:
        raise ValueError("fill_value is null, which zarr v3 does not have")
    value = decode_fill(fill, dtype)
    return fill if is_hexadecimal(fill) else encode_fill(value, dtype)


def _chunk_key_encoding(extension: Any) -> dict[str, Any]:
    encoding = long_form("chunk_key_encoding", extension)
    _require_known("chunk key encoding", encoding["name"], tuple(SEPARATORS))
    separator = encoding.get("configuration", {}).get("separator", SEPARATORS[encoding["name"]])
    return {"name": encoding["name"], "configuration": {"separator": separator}}


def _numeric(name: Any) -> np.dtype[Any]:
    try:
        dtype = np.dtype(name) if isinstance(name, str) else None
    except (TypeError, ValueError, SyntaxError, RecursionError):  # numpy reads some names as Python
        dtype = None
    if dtype is None or dtype.kind not in _NUMERIC:
        raise UnsupportedFormat(f"it has values of type {name!s:.80}; voxome reads booleans, integers and floats")
    return dtype


def _codecs(codecs: Any, *, several_bytes: bool) -> list[dict[str, Any]]:
    normalized = []
    for codec in require_list("codecs", codecs):
        one = long_form("a codec", codec)
        options = one.get("configuration", {})
        if not _is_unknown_v3(one):
            _require(options, *_REQUIRED_V3.get(one["name"], ()))
            if one["name"] == "bytes" and several_bytes and "endian" not in options:
                raise ValueError("the codec bytes has no endian, which a data type of several bytes needs")
            if options:
                one["configuration"] = _keep_known(one["name"], options, KNOWN_V3[one["name"]])
            if one["name"] == "sharding_indexed":
                one["configuration"]["codecs"] = _codecs(options["codecs"], several_bytes=several_bytes)
                one["configuration"]["index_codecs"] = _codecs(options["index_codecs"], several_bytes=True)
        normalized.append(one)
    names = [one["name"] for one in normalized]
    if not any(_is_unknown_v3(one) or one["name"] in ("bytes", "sharding_indexed") for one in normalized):
        raise ValueError(f"none of the codecs {names} makes bytes of arrays")
    if "sharding_indexed" in names[:-1]:
        after = names[names.index("sharding_indexed") + 1]
        raise UnsupportedFormat(f"the codec {after} after sharding_indexed, which compresses whole shards, is not read")
    return normalized


def _keep_known(name: str, options: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    members = {key: value for key, value in options.items() if key in known}
    if name in ("gzip", "zlib") and members.get("level") == -1:
        members["level"] = 6
    return members


def codecs_without_tensorstore(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the codecs in an array's normalized metadata that tensorstore does not have.

    Filters of zarr v2 are among them.
    """
    if document["zarr_format"] == 3:
        return _unknown_v3(document["codecs"])
    filters = [one["id"] for one in document.get("filters") or ()]
    compressor = (document.get("compressor") or {"id": "zlib"})["id"]
    return filters if compressor in KNOWN_V2 else [*filters, compressor]


def _unknown_v3(codecs: Sequence[Mapping[str, Any]]) -> list[str]:
    names: list[str] = []
    for codec in codecs:
        if _is_unknown_v3(codec):
            names.append(codec["name"])
            continue
        options = codec.get("configuration") or {}
        names += _unknown_v3(options.get("codecs", ())) + _unknown_v3(options.get("index_codecs", ()))
    return names


def _is_unknown_v3(codec: Mapping[str, Any]) -> bool:
    return codec["name"] not in KNOWN_V3 or bool((codec.get("configuration") or {}).get("useZlib"))
