"""New zarr arrays and pyramids: their metadata, written completely or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorstore as ts

from voxome.contracts.spec import VolumeSpec
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat
from voxome.geometry.axes import standard_order
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.codecs import codecs_v3, compressor_v2
from voxome.remotes.zarr.fill_values import encode_fill
from voxome.remotes.zarr.layout import user_attrs, voxome_attrs
from voxome.remotes.zarr.metadata import find_node
from voxome.storage.json_store import Json, to_json, update_json
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors

Documents = Mapping[str, Mapping[str, Any]]
"""Name of a metadata file → its content."""

_GROUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "zarr2": (".zgroup", {"zarr_format": 2}),
    "zarr3": ("zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}}),
}
"""Format → name and content of the metadata file of a group."""

_DEFAULT_SIDE = {1: 1 << 18, 2: 512}
_LARGEST = {"b": 1, "i": 8, "u": 8, "f": 8}
_OPTIONS = ("format", "codec", "shard", "ome")


def default_chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return chunks of about 2^18 voxels along the last three axes, and of 1 along those before."""
    side = _DEFAULT_SIDE.get(len(shape), 64)
    leading = max(0, len(shape) - 3)
    return tuple(1 if i < leading else max(1, min(n, side)) for i, n in enumerate(shape))


def create(folder: StoragePath, spec: VolumeSpec) -> None:
    """Write the metadata of a new array, or of a pyramid of one level, into `folder`, completely or not at all.

    Raises
    ------
    AlreadyExists
        If `folder` is not empty.
    UnsupportedFormat, InvalidInput
        If zarr cannot store such an array, or the encoding is invalid.
    """
    spec, options = complete(spec, str(folder))
    documents = _new_files(spec, options, folder.name)
    if find_node(folder) is not None:
        raise AlreadyExists(f"a zarr array or group exists at {folder}; choose another path, or delete it")
    folder.must_be_free(str(folder))
    _create_groups_above(folder, options["format"])
    folder.put_new(documents)


def check_spec(spec: VolumeSpec, name: str) -> None:
    """Raise if zarr cannot store such an array.

    Raises
    ------
    UnsupportedFormat, InvalidInput
    """
    _new_files(*complete(spec, name), name)


def create_level(folder: StoragePath, spec: VolumeSpec) -> None:
    """Write the metadata of an array, encoded as `spec` requires, to a new folder that no group lists yet.

    Raises
    ------
    AlreadyExists
        If `folder` is not empty.
    """
    folder.put_new(_encode(_array_documents(spec, spec.encoding or {}, voxome_attrs(spec)), str(folder)))


def _create_groups_above(array: StoragePath, format: str) -> None:
    """Turn the folders above `array` into groups, from the outermost named ``….zarr`` on."""
    name, group = _GROUPS[format]

    def create_group(old: Json) -> Json:
        return old or dict(group)

    for folder in array.parents:
        inside = any(one.name.endswith(".zarr") for one in (folder, *folder.parents))
        if inside and find_node(folder) is None:
            update_json(folder, name, create_group)


def complete(spec: VolumeSpec, name: str) -> tuple[VolumeSpec, dict[str, Any]]:
    """Return a spec with its chunks, and all options of its encoding.

    Raises
    ------
    UnsupportedFormat, InvalidInput
        If zarr cannot store such an array, or an option is unknown.
    """
    options = {"format": "zarr3", "codec": "zstd", "ome": ome.expressible(spec), **(spec.encoding or {})}
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise InvalidInput(f"{name}: zarr has no encoding option {', '.join(unknown)}; known: {', '.join(_OPTIONS)}")
    if options["format"] not in ("zarr2", "zarr3"):
        raise UnsupportedFormat(f"{name}: the zarr format should be zarr2 or zarr3, not {options['format']!r}")
    if standard_order(spec.axes) != tuple(range(len(spec.axes))):
        raise InvalidInput(f"{name}: axes are {'/'.join(spec.axes)}; bring them into the order t, c, z, y, x")
    if spec.dtype.kind not in "biuf" or spec.dtype.itemsize > _LARGEST[spec.dtype.kind]:
        raise UnsupportedFormat(f"{name}: zarr stores numbers of up to 64 bits and booleans, not {spec.dtype}")
    read = _ints(spec.read_chunk or default_chunk(spec.domain.shape))
    write = _ints(options.get("shard") or spec.write_chunk or read)
    if len(write) != len(read) or any(w % r for w, r in zip(write, read, strict=False)):
        raise UnsupportedFormat(f"{name}: shards of {write} are not multiples of chunks of {read}")
    if write != read and options["format"] == "zarr2":
        raise UnsupportedFormat(f"{name}: zarr v2 has no shards; write_chunk {write} must equal read_chunk {read}")
    return spec.replace(read_chunk=read, write_chunk=write, attributes=user_attrs(spec.attributes)), options


def _ints(chunk: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(n) for n in chunk)


def _new_files(spec: VolumeSpec, options: Mapping[str, Any], name: str) -> dict[str, bytes]:
    """File name → content of a plain array, or of a pyramid whose array is ``0``."""
    array = array_files(spec, options, name)
    _check_with_tensorstore(array, options["format"], name)
    if not options["ome"]:
        return array
    group = group_files(spec, [ome.dataset("0", spec, (1, 1, 1))], options, name)
    return {**{f"0/{key}": text for key, text in array.items()}, **group}


def array_files(spec: VolumeSpec, options: Mapping[str, Any], name: str) -> dict[str, bytes]:
    """Return file name → content of the metadata of an array; `spec` and `options` are complete."""
    attributes = voxome_attrs(spec) if options["ome"] else {**spec.attributes, **voxome_attrs(spec)}
    return _encode(_array_documents(spec, options, attributes), name)


def group_files(
    spec: VolumeSpec, datasets: Sequence[Mapping[str, Any]], options: Mapping[str, Any], name: str
) -> dict[str, bytes]:
    """Return file name → content of the metadata of a pyramid.

    Parameters
    ----------
    spec : VolumeSpec
        Its finest level.
    datasets : sequence of mapping
        Entry of each level in the multiscales, finest first.
    options : mapping
        Options of its encoding, complete.
    name : str
        What it is called.
    """
    version2 = options["format"] == "zarr2"
    attributes = {**spec.attributes, **ome.document(spec, name, "0.4" if version2 else "0.5", datasets)}
    file, group = _GROUPS[options["format"]]
    documents = {file: group, ".zattrs": attributes} if version2 else {file: {**group, "attributes": attributes}}
    return _encode(documents, name)


def _encode(documents: Documents, name: str) -> dict[str, bytes]:
    return {key: to_json(one, name) for key, one in documents.items()}


def _check_with_tensorstore(array: Mapping[str, bytes], format: str, name: str) -> None:
    """Open the array in memory, so that nothing is written that tensorstore does not accept."""
    separate = ts.Context()
    with map_errors(name, invalid=UnsupportedFormat):
        memory = ts.KvStore.open({"driver": "memory"}, context=separate).result()
        for key, text in array.items():
            memory[key] = text
        ts.open({"driver": format, "kvstore": {"driver": "memory"}}, context=separate).result()


def _array_documents(spec: VolumeSpec, options: Mapping[str, Any], attributes: Mapping[str, Any]) -> Documents:
    """Return the files of an array for `spec`."""
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
