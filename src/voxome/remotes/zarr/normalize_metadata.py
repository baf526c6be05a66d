"""Zarr metadata rewritten where tensorstore is stricter than the writers; codecs that it does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voxome.errors import UnsupportedFormat
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

_NUMERIC = "biufc"
_NOT_NUMPY = ("bfloat16", "int4", "uint4")


def normalize(node: Node) -> dict[str, Any]:
    """Return the metadata of an array in the form that tensorstore accepts.

    Java writes numbers as strings, gzip's level -1, and keys that matter to the writer only.

    Raises
    ------
    UnsupportedFormat
        If its data type is not a number.
    """
    return _normalize_v2(node) if node.format == 2 else _normalize_v3(node)


def _normalize_v2(node: Node) -> dict[str, Any]:
    document = dict(node.document)
    dtype = _numeric(node, document["dtype"])
    document["fill_value"] = _fill(document.get("fill_value"), dtype)
    compressor = document.get("compressor")
    if compressor and compressor["id"] in KNOWN_V2:
        document["compressor"] = _keep_known(compressor["id"], compressor, KNOWN_V2[compressor["id"]])
    document["filters"] = document.get("filters") or None
    return document


def _normalize_v3(node: Node) -> dict[str, Any]:
    document = dict(node.document)
    if document["data_type"] not in _NOT_NUMPY:
        dtype = _numeric(node, document["data_type"])
        document["fill_value"] = _fill(document.get("fill_value"), dtype)
    document["codecs"] = _codecs(document["codecs"])
    return document


def _numeric(node: Node, name: Any) -> np.dtype[Any]:
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError):
        dtype = None
    if dtype is None or dtype.kind not in _NUMERIC:
        raise UnsupportedFormat(f"{node.folder} has values of type {name}; numbers and booleans are read")
    return dtype


def _fill(fill: Any, dtype: np.dtype[Any]) -> Any:
    if not isinstance(fill, str) or dtype.kind not in "iuf":
        return fill
    if dtype.kind == "f":
        return fill if fill in ("NaN", "Infinity", "-Infinity") or fill.startswith("0x") else float(fill)
    return int(fill)


def _codecs(codecs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    normalized = []
    for codec in codecs:
        one = dict(codec)
        options = one.get("configuration")
        if not _is_unknown_v3(codec) and options:
            one["configuration"] = _keep_known(one["name"], options, KNOWN_V3[one["name"]])
            for key in {"codecs", "index_codecs"} & set(options):
                one["configuration"][key] = _codecs(options[key])
        normalized.append(one)
    return normalized


def _keep_known(name: str, options: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    kept = {key: value for key, value in options.items() if key in known}
    if name in ("gzip", "zlib") and kept.get("level") == -1:
        kept["level"] = 6
    return kept


def codecs_without_tensorstore(node: Node) -> list[str]:
    """Return the names of the codecs of an array that tensorstore does not have; it has no zarr v2 filter."""
    if node.format == 3:
        return _unknown_v3(node.document["codecs"])
    filters = [one["id"] for one in node.document.get("filters") or ()]
    compressor = (node.document.get("compressor") or {"id": "zlib"})["id"]
    return filters if compressor in KNOWN_V2 else [*filters, compressor]


def _unknown_v3(codecs: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [codec["name"] for codec in codecs if _is_unknown_v3(codec)]
    for codec in codecs:
        names += _unknown_v3((codec.get("configuration") or {}).get("codecs", ()))
    return names


def _is_unknown_v3(codec: Mapping[str, Any]) -> bool:
    return codec["name"] not in KNOWN_V3 or bool((codec.get("configuration") or {}).get("useZlib"))
