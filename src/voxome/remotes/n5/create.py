"""New N5 arrays, with voxel size and position as n5-viewer and COSEM write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorstore as ts

from voxome.contracts.levels import coarser
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.remotes.n5.codecs import from_codec
from voxome.remotes.n5.groups import ATTRIBUTES, Group, attributes_of, container
from voxome.remotes.n5.metadata_flavours import STRUCTURAL, VOXOME
from voxome.remotes.n5.new_level import plan_level
from voxome.storage.json_store import Json, to_json, update_json
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors

_DTYPES = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"float32", "float64"}
_VERSION = "2.0.0"
_CODEC = {"name": "gzip", "level": 1}
_BLOCK_VOXELS = 2**18
FINEST: Scale = (1, 1, 1)


def create_array(folder: StoragePath, spec: VolumeSpec, *, name: str) -> None:
    """Create an array in `folder` with the attributes of `spec`, completely or not at all.

    Raises
    ------
    AlreadyExists
        If it already exists.
    UnsupportedFormat
        If N5 cannot store it.
    """
    array = {**_array(spec, FINEST, name), **_user_attributes(spec.attributes)}
    if _is_root(folder):
        array = {"n5": _VERSION, **array}
    folder.put_new({ATTRIBUTES: to_json(array, name)})


def check_spec(spec: VolumeSpec, name: str) -> None:
    """Raise if N5 cannot store such an array.

    Raises
    ------
    UnsupportedFormat, InvalidInput
    """
    if unknown := sorted(set(spec.encoding or {}) - {"codec", "pyramid"}):
        raise InvalidInput(f"{name}: N5 has no encoding option {', '.join(unknown)}; known: codec, pyramid")
    _array(spec, FINEST, name)


def create_group(folder: StoragePath, spec: VolumeSpec, *, name: str) -> None:
    """Create a group in `folder` with one level, ``s0``, and the attributes of `spec`.

    Raises
    ------
    AlreadyExists, UnsupportedFormat
        As `create_array` does.
    """
    array = _array(spec, FINEST, name)
    listing = {**_listing(folder, spec), **_user_attributes(spec.attributes)}
    root = {"n5": _VERSION} if _is_root(folder) else {}
    if attributes_of(folder):
        update_json(folder, ATTRIBUTES, lambda old: {**old, **listing})
        (folder / "s0").put_new({ATTRIBUTES: to_json(array, name)})
    else:
        folder.put_new({ATTRIBUTES: to_json({**root, **listing}, name), f"s0/{ATTRIBUTES}": to_json(array, name)})


def create_level(group: Group, spec: VolumeSpec, scale: Scale, *, name: str) -> None:
    """Create the array of a level of `group` for `spec` at `scale`, and list it wherever its levels are listed.

    Raises
    ------
    AlreadyExists
        If the array already exists.
    UnsupportedFormat
        If N5 cannot store it, or the attributes around the group cannot list it.
    """
    level = plan_level(group, spec, scale, name=name)
    array = group.folder / level.path
    array.put_new({ATTRIBUTES: to_json(_array(spec, scale, level.name), level.name)})
    lists = [
        (folder, change)
        for folder, old, change in (
            (group.folder, group.context.group, level.in_group),
            (group.folder.parent, group.context.above, level.above_group),
        )
        if folder is not None and change(dict(old)) != old
    ]

    def is_listed() -> bool:
        return any(change(dict(old := attributes_of(folder))) == old for folder, change in lists)

    with array.removed_on_error(is_listed):
        for folder, change in lists:
            update_json(folder, ATTRIBUTES, change)


def _is_root(folder: StoragePath) -> bool:
    """Return whether `folder` is the root of its container; if not, write the version of N5 into the root."""
    root = container(folder)
    if root.path != folder.path:
        update_json(root, ATTRIBUTES, lambda old: {"n5": _VERSION, **old})
    return root.path == folder.path


def _array(spec: VolumeSpec, scale: Scale, name: str) -> Json:
    """Return the attributes of an array for `spec` at `scale`, checked by tensorstore."""
    if spec.dtype.name not in _DTYPES:
        raise UnsupportedFormat(f"{name}: N5 stores {', '.join(sorted(_DTYPES))}, not {spec.dtype}")
    if spec.fill != 0:
        raise UnsupportedFormat(f"{name}: unwritten voxels of N5 are 0; a fill of {spec.fill} cannot be stored")
    metadata: Json = {
        "dimensions": list(_level(spec, scale).domain.shape[::-1]),
        "blockSize": list(_block(spec)[::-1]),
        "dataType": spec.dtype.name,
        "compression": from_codec((spec.encoding or {}).get("codec", _CODEC), name),
    }
    memory = {"driver": "n5", "kvstore": {"driver": "memory"}, "metadata": metadata}
    with map_errors(name, invalid=UnsupportedFormat):
        ts.open(memory, context=ts.Context(), create=True).result()
    return {**metadata, **_placement(spec, scale)}


def _listing(group: StoragePath, spec: VolumeSpec) -> Json:
    """Return the attributes that list ``s0`` in the new group of `spec`."""
    dataset = {"path": "s0", "transform": _placement(spec, FINEST).get("transform", {})}
    scales = [list(FINEST)]
    return {"multiscales": [{"name": group.name, "datasets": [dataset]}], "scales": scales, **_resolution(spec)}


def _user_attributes(attributes: Mapping[str, Any]) -> Json:
    """All attributes but those that describe the array itself, which follow from the spec."""
    return {key: value for key, value in attributes.items() if key not in STRUCTURAL}


def _level(spec: VolumeSpec, scale: Scale) -> VolumeSpec:
    return spec if scale == FINEST else coarser(spec, scale)


def _block(spec: VolumeSpec) -> tuple[int, ...]:
    chunk = spec.read_chunk or spec.write_chunk
    if chunk is not None:
        return chunk
    side = round(_BLOCK_VOXELS ** (1 / max(1, len(spec.spatial))))
    return tuple(min(side, max(1, n)) if i in spec.spatial else 1 for i, n in enumerate(spec.domain.shape))


def _resolution(spec: VolumeSpec) -> Json:
    if spec.voxel_size_nm is None:
        return {}
    return {"pixelResolution": {"unit": "nm", "dimensions": list(spec.voxel_size_nm[::-1])}}


def _placement(spec: VolumeSpec, scale: Scale) -> Json:
    level = _level(spec, scale)
    ours = {"axes": list(spec.axes), "start": list(level.domain.start), "kind": spec.kind}
    ours |= {"voxel_size_nm": level.voxel_size_nm, "offset_nm": level.offset_nm}
    if len(spec.spatial) != 3:
        return {VOXOME: ours}
    factors = {"downsamplingFactors": list(scale[::-1])} if spec.domain.ndim == 3 else {}
    return {VOXOME: ours | {"factor": scale}, **factors, **_resolution(spec), **_transform(level)}


def _transform(level: VolumeSpec) -> Json:
    size = level.voxel_size_nm
    if size is None:
        return {}
    first = [o + a * s for o, a, s in zip(level.offset_nm, level.frame.start, size, strict=True)]
    scale, translate = [1.0] * level.domain.ndim, [0.0] * level.domain.ndim
    units = [""] * level.domain.ndim
    for axis, length, shift in zip(level.spatial, size, first, strict=True):
        scale[axis], translate[axis], units[axis] = length, shift, "nm"
    return {"transform": {"axes": list(level.axes), "scale": scale, "translate": translate, "units": units}}
