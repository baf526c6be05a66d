"""Compressions of N5 blocks: from the metadata of the Java reference to those that tensorstore accepts, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voxome.errors import InvalidInput, UnsupportedFormat

_OPTIONS: dict[str, dict[str, Any]] = {
    "raw": {},
    "gzip": {"level": -1, "useZlib": False},
    "bzip2": {"blockSize": 9},
    "xz": {"preset": 6},
    "zstd": {"level": 0},
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
}
"""Compression → its options with their defaults; Java writes more, which readers do not need."""


def read_compression(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the compression in an array's attributes; N5 before 2.0 had ``compressionType``."""
    compression = attributes.get("compression", attributes.get("compressionType"))
    return {"type": compression} if isinstance(compression, str) else dict(compression or {})


def to_tensorstore(compression: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the same compression with only the options that tensorstore accepts.

    Raises
    ------
    UnsupportedFormat
        If it is not one of raw, gzip, bzip2, xz, zstd, blosc.
    """
    kind = compression.get("type")
    if kind not in _OPTIONS:
        known = ", ".join([*_OPTIONS, "lz4 (to read)"])
        raise UnsupportedFormat(f"{name}: its blocks are compressed with {kind!r}; voxome reads {known}")
    options = {key: compression.get(key, default) for key, default in _OPTIONS[kind].items()}
    if kind == "blosc":
        options["shuffle"] = min(max(options["shuffle"], 0), 2)
    return {"type": kind, **options}


def from_codec(codec: str | Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the compression of a codec: a name, or a mapping of ``name`` and its options as N5 spells them.

    Raises
    ------
    UnsupportedFormat
        If the codec does not exist.
    InvalidInput
        If it has no such option.
    """
    options = {"name": codec} if isinstance(codec, str) else dict(codec)
    kind = options.pop("name", None)
    compression = to_tensorstore({"type": kind, **options}, name)
    if unknown := sorted(set(options) - set(compression)):
        known = ", ".join(_OPTIONS[compression["type"]]) or "none"
        raise InvalidInput(f"{name}: the codec {kind} has no option {', '.join(unknown)}; known: {known}")
    return compression


def codec_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the codec of an array's blocks, in the form that `from_codec` takes."""
    stored = read_compression(attributes)
    known = _OPTIONS.get(stored.get("type", ""), stored)
    return {
        "name": stored.get("type"),
        **{key: value for key, value in stored.items() if key in known and key != "type"},
    }


def is_lz4(attributes: Mapping[str, Any]) -> bool:
    """Return whether the blocks are LZ4Block streams, which tensorstore cannot read."""
    return bool(read_compression(attributes).get("type") == "lz4")


def to_tensorstore_metadata(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the metadata of an array in the form that tensorstore accepts; lz4, decompressed first, becomes raw."""
    keys: Sequence[str] = ("dimensions", "blockSize", "dataType")
    compression = {"type": "raw"} if is_lz4(attributes) else read_compression(attributes)
    return {**{key: attributes[key] for key in keys}, "compression": to_tensorstore(compression, name)}
