"""The metadata files of new zarr arrays and pyramids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxome.contracts.spec import VolumeSpec
from voxome.remotes.zarr.codecs import codecs_v3, compressor_v2, encode_fill
from voxome.remotes.zarr.ome import document as ome_document

GROUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "zarr2": (".zgroup", {"zarr_format": 2}),
    "zarr3": ("zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}}),
}
"""The metadata file of a group: its name and content."""

_DEFAULT_SIDE = {1: 1 << 18, 2: 512}


def default_chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of about 2^18 voxels along the last three axes, single planes along those before."""
    side = _DEFAULT_SIDE.get(len(shape), 64)
    ahead = max(0, len(shape) - 3)
    return tuple(1 if i < ahead else max(1, min(n, side)) for i, n in enumerate(shape))


def group_documents(spec: VolumeSpec, options: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """File name → content, for a pyramid whose only level yet is array ``0``, holding `spec`."""
    old = options["format"] == "zarr2"
    attributes = {**spec.attributes, **ome_document(spec, name, "0.4" if old else "0.5")}
    name, group = GROUPS[options["format"]]
    return {name: group, ".zattrs": attributes} if old else {name: {**group, "attributes": attributes}}


def array_documents(
    spec: VolumeSpec, options: Mapping[str, Any], attributes: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """File name → content, for an array that holds `spec`."""
    read, write = spec.read_chunk or spec.domain.shape, spec.write_chunk or spec.domain.shape
    shape, fill = list(spec.domain.shape), encode_fill(spec.fill, spec.dtype)
    if options["format"] == "zarr2":
        array = {
            "zarr_format": 2,
            "shape": shape,
            "chunks": list(read),
            "dtype": spec.dtype.newbyteorder("<").str,
            "compressor": compressor_v2(options["codec"]),
            "fill_value": fill,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }
        return {".zattrs": {"_ARRAY_DIMENSIONS": list(spec.axes), **attributes}, ".zarray": array}
    codecs = codecs_v3(options["codec"], spec.dtype)
    if write != read:
        codecs = [_sharding(read, codecs)]
    return {
        "zarr.json": {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": spec.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(write)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": fill,
            "codecs": codecs,
            "dimension_names": list(spec.axes),
            "attributes": dict(attributes),
        }
    }


def _sharding(chunk: tuple[int, ...], codecs: list[dict[str, Any]]) -> dict[str, Any]:
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    options = {"chunk_shape": list(chunk), "codecs": codecs, "index_codecs": index, "index_location": "end"}
    return {"name": "sharding_indexed", "configuration": options}
