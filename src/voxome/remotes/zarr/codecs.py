"""Codecs of zarr arrays: from an encoding to metadata, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voxome.errors import InvalidInput, UnsupportedFormat, describe_value
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.normalize_metadata import KNOWN_V2, KNOWN_V3, long_form, normalize

_DEFAULTS: dict[str, dict[str, Any]] = {
    "zstd": {"level": 1},
    "gzip": {"level": 1},
    "zlib": {"level": 1},
    "bz2": {"level": 1},
    "blosc": {"cname": "zstd", "clevel": 3, "shuffle": "bitshuffle"},
}
_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")


def compressor_v2(codec: Any) -> dict[str, Any] | None:
    """Return the zarr v2 compressor of a codec: a name, or a mapping of ``name`` and its options."""
    name, options = _parse(codec, KNOWN_V2, "zarr v2")
    if name == "blosc":
        shuffle = options["shuffle"]
        options["shuffle"] = _SHUFFLES.index(shuffle) if shuffle in _SHUFFLES else shuffle
        options.setdefault("blocksize", 0)
    return None if name == "raw" else {"id": name, **options}


def codecs_v3(codec: Any, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    """Return the zarr v3 codecs of a codec: a name, a mapping of ``name`` and its options, or a list used unchanged."""
    if isinstance(codec, Sequence) and not isinstance(codec, str):
        try:
            return [long_form("a codec", one) for one in codec]
        except ValueError as error:
            raise InvalidInput(f"the codecs {describe_value(codec)} are not those of zarr v3: {error}") from error
    to_bytes: dict[str, Any] = {"name": "bytes", "configuration": {"endian": "little"}}
    name, options = _parse(codec, {key: KNOWN_V3[key] for key in ("blosc", "gzip", "zstd")}, "zarr v3")
    if name == "raw":
        return [to_bytes]
    if name == "blosc":
        options = {"typesize": dtype.itemsize, "blocksize": 0, **options}
    if name == "zstd":
        options.setdefault("checksum", False)
    return [to_bytes, {"name": name, "configuration": options}]


def _parse(codec: Any, known: Mapping[str, set[str]], what: str) -> tuple[str, dict[str, Any]]:
    options = dict(codec) if isinstance(codec, Mapping) else {"name": codec}
    name = options.pop("name", None)
    if name != "raw" and name not in known:
        raise UnsupportedFormat(f"{what} is written with the codecs raw, {', '.join(sorted(known))}, not {codec!r}")
    unknown = set(options) - known.get(name, set()) - {"id"}
    if unknown:
        raise InvalidInput(f"codec {name} has no option {', '.join(sorted(unknown))}; known: {sorted(known[name])}")
    return name, {**_DEFAULTS.get(name, {}), **options}


def encoding_of(node: Node) -> dict[str, Any]:
    """Return the encoding of an array, in the form that creating one takes."""
    if node.format == 2:
        compressor = dict(node.document.get("compressor") or {"id": "raw"})
        name = compressor.pop("id")
        shuffle = compressor.get("shuffle")
        if isinstance(shuffle, int) and 0 <= shuffle < len(_SHUFFLES):
            compressor["shuffle"] = _SHUFFLES[shuffle]
        return {"format": "zarr2", "codec": {"name": name, **compressor}}
    codecs = normalize(node)["codecs"]
    if len(codecs) == 1 and codecs[0]["name"] == "sharding_indexed":
        codecs = codecs[0]["configuration"]["codecs"]
    names = [codec["name"] for codec in codecs]
    if names == ["bytes"]:
        return {"format": "zarr3", "codec": {"name": "raw"}}
    if len(names) == 2 and names[0] == "bytes" and names[1] in ("blosc", "gzip", "zstd"):
        return {"format": "zarr3", "codec": {"name": names[1], **codecs[1].get("configuration", {})}}
    return {"format": "zarr3", "codec": list(codecs)}
