"""New zarr arrays: their metadata, put in place whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from voxome.contracts.volume import VolumeSpec
from voxome.errors import AlreadyThere, InvalidInput, StoreError, UnsupportedFormat
from voxome.geometry.axes import standard_order
from voxome.remotes.documents import update_json
from voxome.remotes.tensorstore import kvstore_spec, open_store
from voxome.remotes.zarr.codecs import codecs_v3, compressor_v2, encode_fill
from voxome.remotes.zarr.metadata import find
from voxome.remotes.zarr.ome import document as ome_document
from voxome.remotes.zarr.ome import expressible
from voxome.remotes.zarr.own import others, own

_DEFAULT_SIDE = {1: 1 << 18, 2: 512}
_GROUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "zarr2": (".zgroup", {"zarr_format": 2}),
    "zarr3": ("zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {}}),
}
_LARGEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
_OPTIONS = ("format", "codec", "shard", "ome")


def make(path: Path, spec: VolumeSpec) -> None:
    """Put the metadata of a new array, or of a pyramid of one level, at `path`.

    It is written beside `path` and renamed into place, so that nothing is ever there in part.

    Raises
    ------
    AlreadyThere
        If anything is at `path`.
    UnsupportedFormat, InvalidInput
        If zarr cannot hold such an array, or the encoding is not understood.
    """
    spec, options = _settled(spec, str(path))
    _refuse_full(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error}") from error
    try:
        draft.chmod(0o777 & ~_umask())
        _write(draft, spec, options, path.name)
        _mark_groups(path, options["format"])
        _rename(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _mark_groups(path: Path, format: str) -> None:
    """Say that the folders above `path` are groups, from the outermost that is named ``….zarr``."""
    above = [folder for folder in path.parents if any(one.suffix == ".zarr" for one in (folder, *folder.parents))]
    for folder in above:
        if find(str(folder)) is None:
            name, group = _GROUPS[format]
            update_json(str(folder), name, lambda old, group=group: old or group)


def _rename(draft: Path, path: Path) -> None:
    try:
        draft.rename(path)
    except OSError as error:
        _refuse_full(path)
        raise StoreError(f"{path} cannot be made: {error}") from error


def _refuse_full(path: Path) -> None:
    if path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise AlreadyThere(f"something is at {path} already; choose another path, or delete it")


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


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
    return spec.but(read_chunk=read, write_chunk=write, attributes=others(spec.attributes)), options


def _whole(chunk: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(n) for n in chunk)


def default_chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of about 2^18 voxels along the last three axes, single planes along those before."""
    side = _DEFAULT_SIDE.get(len(shape), 64)
    ahead = max(0, len(shape) - 3)
    return tuple(1 if i < ahead else max(1, min(n, side)) for i, n in enumerate(shape))


def _write(folder: Path, spec: VolumeSpec, options: Mapping[str, Any], name: str) -> None:
    array = folder / "0" if options["ome"] else folder
    if options["ome"]:
        _put(array, array_documents(spec, options, own(spec)))
        _put(folder, _group_documents(spec, options, name))
    else:
        _put(array, array_documents(spec, options, {**spec.attributes, **own(spec)}))
    open_store({"driver": options["format"], "kvstore": kvstore_spec(str(array))}, name)


def _group_documents(spec: VolumeSpec, options: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    old = options["format"] == "zarr2"
    attributes = {**spec.attributes, **ome_document(spec, name, "0.4" if old else "0.5")}
    name, group = _GROUPS[options["format"]]
    return {name: group, ".zattrs": attributes} if old else {name: {**group, "attributes": attributes}}


def _put(folder: Path, documents: Mapping[str, Mapping[str, Any]]) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for name, document in documents.items():
            (folder / name).write_text(json.dumps(document, indent=2, allow_nan=False))
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}") from error
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{folder.name}: attributes must be JSON values: {error}") from error


def make_level(folder: Path, spec: VolumeSpec) -> None:
    """Put the metadata of an array, encoded like the finest level, in a new folder that no group lists yet.

    Raises
    ------
    AlreadyThere
        If the folder is there already.
    """
    if folder.exists():
        raise AlreadyThere(f"{folder} is there already; is another process adding a level?")
    _put(folder, array_documents(spec, spec.encoding or {}, own(spec)))


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
