"""New zarr arrays: their metadata, put in place whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from voxome.contracts.volume import VolumeSpec
from voxome.errors import AlreadyThere, InvalidInput, StoreError, UnsupportedFormat
from voxome.geometry.axes import standard_order
from voxome.remotes.documents import Json, update_json
from voxome.remotes.tensorstore import kvstore_spec, open_store
from voxome.remotes.zarr.describe import GROUPS, array_documents, default_chunk, group_documents
from voxome.remotes.zarr.metadata import find
from voxome.remotes.zarr.ome import expressible
from voxome.remotes.zarr.own import others, own

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
        draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
        draft.mkdir()
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error}") from error
    try:
        _write(draft, spec, options, path.name)
        _mark_groups(path, options["format"])
        _rename(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _mark_groups(path: Path, format: str) -> None:
    """Say that the folders above `path` are groups, from the outermost that is named ``….zarr``."""
    name, group = GROUPS[format]

    def mark(old: Json) -> Json:
        return old or dict(group)

    for folder in path.parents:
        within = any(one.suffix == ".zarr" for one in (folder, *folder.parents))
        if within and find(str(folder)) is None:
            update_json(str(folder), name, mark)


def _rename(draft: Path, path: Path) -> None:
    try:
        draft.rename(path)
    except OSError as error:
        _refuse_full(path)
        raise StoreError(f"{path} cannot be made: {error}") from error


def _refuse_full(path: Path) -> None:
    if path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise AlreadyThere(f"something is at {path} already; choose another path, or delete it")


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


def _write(folder: Path, spec: VolumeSpec, options: Mapping[str, Any], name: str) -> None:
    array = folder / "0" if options["ome"] else folder
    if options["ome"]:
        _put(array, array_documents(spec, options, own(spec)))
        _put(folder, group_documents(spec, options, name))
    else:
        _put(array, array_documents(spec, options, {**spec.attributes, **own(spec)}))
    open_store({"driver": options["format"], "kvstore": kvstore_spec(str(array))}, name)


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
