"""The ``info`` file of a precomputed volume and its scales.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorstore as ts

from voxome.contracts.levels import Level, finest_first, offset_at_corner, require_plausible_count, scale_between
from voxome.contracts.spec import LAST_INDEX, VolumeKind, VolumeSpec
from voxome.errors import UnsupportedFormat, VoxomeError, describe_value
from voxome.geometry import Box
from voxome.remotes.json_members import (
    problem_of,
    require_list,
    require_numbers,
    require_object,
    require_text,
    wrong_member,
)
from voxome.storage.inside import is_inside

Json = dict[str, Any]
Triple = tuple[float, float, float]

OWN = "voxome"
"""Key of ``info`` for what the format cannot express; other readers ignore it."""

STRUCTURAL = frozenset({"@type", "type", "data_type", "num_channels", "scales", OWN})
"""Keys of ``info`` that describe the volume itself."""

LINKS = frozenset({"mesh", "skeletons", "segment_properties"})
"""Attributes that are keys of ``info`` itself."""

DATA_TYPES = (*(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)), "float32")
_READ = ("raw", "jpeg", "png", "compressed_segmentation")
_READ_BY_CLOUDVOLUME = ("compresso", "crackle", "fpzip", "jxl", "kempressed", "zfpc")
_OPTIONS = ("jpeg_quality", "png_level", "compressed_segmentation_block_size")


def check(info: Mapping[str, Any], name: str) -> None:
    """Require that ``info`` describes a volume whose voxels are stored.

    Raises
    ------
    UnsupportedFormat
        If it has no scales, or a server computes the voxels.
    """
    if not isinstance(info.get("scales"), list) or not info["scales"]:
        found = f"scales {describe_value(info['scales'])}" if "scales" in info else ", ".join(sorted(info)) or "no keys"
        raise UnsupportedFormat(f"{name} is not a volume: its info has {found}; expected a list of scales")
    with parsing(name):
        require_plausible_count(len(info["scales"]))
    if "graph" in info or "data_dir" in info:
        raise UnsupportedFormat(f"{name} is a graphene layer, whose ids a server computes; open it as graphene://…")


def whole_numbers(info: Mapping[str, Any]) -> Json:
    """Return `info` with integers where the format has them: some writers store a size of 64 as 64.0."""
    plain = dict(info)
    if "num_channels" in info:
        plain["num_channels"] = _whole(info["num_channels"])
    if isinstance(info.get("scales"), list):
        plain["scales"] = [_whole_scale(scale) for scale in info["scales"]]
    return plain


@contextmanager
def parsing(name: str) -> Iterator[None]:
    """Turn the errors that a malformed ``info`` causes into one that names the volume.

    Raises
    ------
    UnsupportedFormat
        If an entry is missing, or of another type than the format prescribes.
    """
    try:
        yield
    except VoxomeError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnsupportedFormat(f"{name}: its info file does not follow the format: {problem_of(error)}") from error


def check_members(info: Mapping[str, Any], number: int) -> None:
    """Require that what ``info`` has about the voxels of a scale is as the format prescribes.

    Raises
    ------
    KeyError
        If a member is missing.
    ValueError
        If one is something else; the message names it.
    """
    scale = require_object(f"scale {number}", info["scales"][number])
    chunks = require_list("chunk_sizes", scale["chunk_sizes"])
    lists = {
        "chunk_sizes": (chunks[0] if chunks else chunks, 1),
        "size": (scale["size"], 0),
        "voxel_offset": (scale.get("voxel_offset") or [0, 0, 0], -math.inf),
    }
    for what, (values, least) in lists.items():
        if not isinstance(values, list) or [type(n) for n in values] != [int, int, int] or min(values) < least:
            limit = f", of at least {least}" if least >= 0 else ""
            raise ValueError(
                f"{what} of scale {scale.get('key')!r} is {values}; three whole numbers were expected{limit}"
            )
    ends = [n + start for n, start in zip(scale["size"], lists["voxel_offset"][0], strict=True)]
    if max(ends) > LAST_INDEX or min(lists["voxel_offset"][0]) < -LAST_INDEX:
        raise ValueError(
            f"scale {scale.get('key')!r} begins at {lists['voxel_offset'][0]} and ends at {ends}; indices beyond "
            f"{LAST_INDEX:,} are not supported"
        )
    if scale.get("resolution") is not None:
        require_numbers("resolution", scale["resolution"], 3)
    if not is_inside(require_text("key", scale["key"])):
        raise wrong_member("key", scale["key"], "a path inside the folder of the volume")
    require_object("sharding", scale.get("sharding") or {})
    if require_text("data_type", info["data_type"]).lower() not in DATA_TYPES:
        raise wrong_member("data_type", info["data_type"], f"one of {', '.join(DATA_TYPES)}")
    if type(channels := info.get("num_channels", 1)) is not int or channels < 1:
        raise wrong_member("num_channels", channels, "a whole number of at least 1")
    require_text("type", info.get("type", "image"))
    require_object(OWN, info.get(OWN, {}))


def check_encoding(info: Mapping[str, Any], number: int, name: str) -> None:
    """Require that voxome reads the encoding of a scale.

    Raises
    ------
    UnsupportedFormat
        If not; the message names the encoding.
    """
    scale = require_object(f"scale {number}", info["scales"][number])
    key, encoding = scale.get("key"), scale.get("encoding")
    if encoding not in _READ:
        address = name.partition("?")[0].removeprefix("precomputed://")
        hint = f"; open it as cloudvolume://{address}" if encoding in _READ_BY_CLOUDVOLUME else ""
        raise UnsupportedFormat(
            f"{name}: scale {key!r} has the encoding {encoding}; precomputed:// reads {', '.join(_READ)}{hint}"
        )


def spec_of(info: Mapping[str, Any], number: int, write_chunk: Sequence[int] | None = None) -> VolumeSpec:
    """Return the spec of scale `number`.

    Index i is centred at ``offset_nm + i * voxel_size_nm``, and the finest scale's offset is 0 unless voxome wrote
    another one; Neuroglancer's own frame puts all centres half a voxel of the finest scale further on.

    Parameters
    ----------
    info : mapping
        Content of the file.
    number : int
        Index of the scale in ``scales``.
    write_chunk : sequence of int, optional
        Shape of a shard (z, y, x), if there are any.
    """
    scale, own, level = info["scales"][number], info.get(OWN, {}), level_of(info, number)
    chunk = tuple(scale["chunk_sizes"][0][::-1])
    shard = chunk if write_chunk is None else tuple(write_chunk)
    domain = Box.of_shape(scale["size"][::-1], (scale.get("voxel_offset") or [0, 0, 0])[::-1])
    many = info.get("num_channels", 1)
    kind: VolumeKind = own.get("kind") or ("labels" if info.get("type") == "segmentation" else "image")
    lead = (many,) if has_channels(info) else ()
    return VolumeSpec(
        Box((0,) * len(lead) + domain.start, lead + domain.stop),
        np.dtype(info["data_type"].lower()),
        axes=("c", "z", "y", "x") if lead else ("z", "y", "x"),
        kind=kind,
        voxel_size_nm=level.voxel_size_nm,
        offset_nm=level.offset_nm,
        read_chunk=lead + chunk,
        write_chunk=lead + shard,
        encoding={"codec": {"name": scale["encoding"], **{k: scale[k] for k in _OPTIONS if k in scale}}},
        attributes=free_attributes(info),
    )


def shard_of(store: ts.TensorStore) -> tuple[int, ...]:
    """Return the shape (z, y, x) of a shard, or of a chunk: what several processes may write at once."""
    x, y, z, _ = (n or 1 for n in store.chunk_layout.write_chunk.shape or (1, 1, 1, 1))
    return (z, y, x)


def has_channels(info: Mapping[str, Any]) -> bool:
    """Return whether the volume has an axis of channels: there are several, or it was created with one."""
    return bool(info.get("num_channels", 1) > 1 or info.get(OWN, {}).get("channel_axis", False))


def voxel_sizes(info: Mapping[str, Any]) -> list[Triple | None]:
    """Return the resolution (z, y, x) of every scale, as ``info`` lists them; None for one that has no valid one."""
    return [_resolution(scale) for scale in info["scales"]]


def scales_by_size(info: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the scales as ``info`` lists them, that of the finest first."""
    return finest_first(voxel_sizes(info))


def levels_of(info: Mapping[str, Any]) -> list[Level]:
    """Return the levels that ``info`` describes, finest first."""
    sizes = voxel_sizes(info)
    order = finest_first(sizes)
    return [_level(info, sizes[number], sizes[order[0]]) for number in order]


def level_of(info: Mapping[str, Any], number: int) -> Level:
    """Return the level of scale `number`, as ``info`` lists them."""
    sizes = voxel_sizes(info)
    return _level(info, sizes[number], sizes[finest_first(sizes)[0]])


def free_attributes(info: Mapping[str, Any]) -> Json:
    """Return what ``info`` contains beyond the description of the arrays."""
    foreign = {key: value for key, value in info.items() if key not in STRUCTURAL}
    return {**foreign, **info.get(OWN, {}).get("attributes", {})}


def with_attributes(info: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """Return `info` with some attributes set: links as separate keys, all others under our key."""
    own = info.get(OWN, {})
    kept = {**own.get("attributes", {}), **{k: v for k, v in changes.items() if k not in LINKS}}
    links = {k: v for k, v in changes.items() if k in LINKS}
    return {**info, **links, OWN: {**own, "attributes": kept}}


def _whole_scale(scale: Any) -> Any:
    if not isinstance(scale, Mapping):
        return scale
    return {key: value if key == "resolution" else _whole(value) for key, value in scale.items()}


def _whole(value: Any) -> Any:
    """Return a JSON value with an integer for each number that is whole."""
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _whole(one) for key, one in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _resolution(scale: Any) -> Triple | None:
    try:
        x, y, z = (float(n) for n in scale["resolution"])
    except (LookupError, TypeError, ValueError, OverflowError):
        return None
    return (z, y, x) if all(0 < n < math.inf for n in (z, y, x)) else None


def _level(info: Mapping[str, Any], size: Triple | None, finest: Triple | None) -> Level:
    own = info.get(OWN, {})
    unknown, first = own.get("voxel_size_unknown", False), own.get("offset_nm", (0.0, 0.0, 0.0))
    offset: Triple = (first[0], first[1], first[2])
    if not unknown and finest is not None and size is not None:
        offset = offset_at_corner(size, finest, first)
    return Level(None if unknown else size, offset, scale_between(size, finest))
