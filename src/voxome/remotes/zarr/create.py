"""New zarr arrays: their metadata, put in place whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorstore as ts

from voxome.contracts.spec import VolumeSpec
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat
from voxome.geometry.axes import standard_order
from voxome.remotes.json_store import Json, to_json, update_json
from voxome.remotes.zarr.build_metadata import GROUPS, array_documents, default_chunk, group_documents
from voxome.remotes.zarr.metadata import find
from voxome.remotes.zarr.ome import expressible
from voxome.remotes.zarr.voxome_attrs import others, own
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors

_LARGEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
_OPTIONS = ("format", "codec", "shard", "ome")


def make(place: StoragePath, spec: VolumeSpec) -> None:
    """Put the metadata of a new array, or of a pyramid of one level, at `place`, whole or not at all.

    Raises
    ------
    AlreadyExists
        If anything is at `place`.
    UnsupportedFormat, InvalidInput
        If zarr cannot hold such an array, or the encoding is not understood.
    """
    spec, options = _settled(spec, str(place))
    documents = _documents(spec, options, place.name)
    if find(place) is not None:
        raise AlreadyExists(f"a zarr array or group is at {place} already; choose another path, or delete it")
    place.must_be_free(str(place))
    _mark_groups(place, options["format"])
    place.put_new(documents)


def _mark_groups(place: StoragePath, format: str) -> None:
    """Say that the folders above `place` are groups, from the outermost that is named ``….zarr``."""
    name, group = GROUPS[format]

    def mark(old: Json) -> Json:
        return old or dict(group)

    for folder in place.parents:
        within = any(one.name.endswith(".zarr") for one in (folder, *folder.parents))
        if within and find(folder) is None:
            update_json(folder, name, mark)


def _settled(spec: VolumeSpec, name: str) -> tuple[VolumeSpec, dict[str, Any]]:
    options = {"format": "zarr3", "codec": "zstd", "ome": expressible(spec), **(spec.encoding or {})}
    wrong = set(options) - set(_OPTIONS)
    if wrong:
        raise InvalidInput(f"{name}: zarr has no encoding {', '.join(sorted(wrong))}; it has {', '.join(_OPTIONS)}")
    if options["format"] not in ("zarr2", "zarr3"):
        raise UnsupportedFormat(f"{name}: the format of zarr is zarr2 or zarr3, not {options['format']!r}")
    if standard_order(spec.axes) != tuple(range(len(spec.axes))):
        raise InvalidInput(f"{name}: axes are {'/'.join(spec.axes)}; bring them into the order t, c, z, y, x")
    if spec.dtype.kind not in "biufc" or spec.dtype.itemsize > _LARGEST[spec.dtype.kind]:
        raise UnsupportedFormat(f"{name}: zarr holds numbers of up to 64 bits and booleans, not {spec.dtype}")
    read = _whole(spec.read_chunk or default_chunk(spec.domain.shape))
    write = _whole(options.get("shard") or spec.write_chunk or read)
    if len(write) != len(read) or any(w % r for w, r in zip(write, read, strict=False)):
        raise UnsupportedFormat(f"{name}: shards of {write} do not hold whole chunks of {read}")
    if write != read and options["format"] == "zarr2":
        raise UnsupportedFormat(f"{name}: zarr v2 has no shards; write_chunk {write} must equal read_chunk {read}")
    return spec.replace(read_chunk=read, write_chunk=write, attributes=others(spec.attributes)), options


def _whole(chunk: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(n) for n in chunk)


def _documents(spec: VolumeSpec, options: Mapping[str, Any], name: str) -> dict[str, bytes]:
    if not options["ome"]:
        array = _texts(array_documents(spec, options, {**spec.attributes, **own(spec)}), name)
        _try_out(array, options["format"], name)
        return array
    array = _texts(array_documents(spec, options, own(spec)), name)
    _try_out(array, options["format"], name)
    group = _texts(group_documents(spec, options, name), name)
    return {**{f"0/{key}": text for key, text in array.items()}, **group}


def _texts(documents: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, bytes]:
    return {key: to_json(one, name) for key, one in documents.items()}


def _try_out(array: Mapping[str, bytes], format: str, name: str) -> None:
    """Have tensorstore open the array in memory, so that nothing is written that it does not take."""
    own_context = ts.Context()
    with map_errors(name, invalid=UnsupportedFormat):
        memory = ts.KvStore.open({"driver": "memory"}, context=own_context).result()
        for key, text in array.items():
            memory[key] = text
        ts.open({"driver": format, "kvstore": {"driver": "memory"}}, context=own_context).result()


def make_level(place: StoragePath, spec: VolumeSpec) -> None:
    """Put the metadata of an array, encoded like the finest level, in a new folder that no group lists yet.

    Raises
    ------
    AlreadyExists
        If something is there already.
    """
    place.put_new(_texts(array_documents(spec, spec.encoding or {}, own(spec)), str(place)))
