"""Metadata of new precomputed scales, completed by tensorstore in memory before anything is written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import tensorstore as ts

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.remotes.precomputed.info import OWN, Json, shard_of, with_attributes
from voxome.storage.tensorstore import map_errors

_AXES = (("z", "y", "x"), ("c", "z", "y", "x"))
_MINISHARD_BITS = 6
_BLOCK = [8, 8, 8]


def new_info(spec: VolumeSpec, name: str) -> Json:
    """Return the metadata of a volume of one scale with the given spec.

    Raises
    ------
    UnsupportedFormat, InvalidInput
        If the format cannot store it, or the encoding is unknown.
    """
    if spec.axes not in _AXES:
        raise UnsupportedFormat(f"{name}: precomputed supports the axes z/y/x or c/z/y/x, not {'/'.join(spec.axes)}")
    if spec.fill != 0:
        raise UnsupportedFormat(f"{name}: precomputed cannot store a fill value; it must be 0, not {spec.fill}")
    if spec.domain.ndim == 4 and spec.domain.start[0] != 0:
        raise UnsupportedFormat(f"{name}: channels of precomputed must start at 0, not {spec.domain.start[0]}")
    info = _complete(spec, name)
    own: Json = {"kind": spec.kind}
    if spec.domain.ndim == 4 and spec.domain.shape[0] == 1:
        own["channel_axis"] = True
    if spec.voxel_size_nm is None:
        own["voxel_size_unknown"] = True
    if any(spec.offset_nm):
        own["offset_nm"] = list(spec.offset_nm)
    return with_attributes({**info, OWN: own}, spec.attributes)


def new_scale(spec: VolumeSpec, name: str) -> Json:
    """Return the entry of ``scales`` for a level with the given spec."""
    scale: Json = _complete(spec, name)["scales"][0]
    return scale


def whole_shards(spec: VolumeSpec) -> VolumeSpec:
    """Return a spec whose shard is not cut off at the end of the volume, so that levels get shards like it."""
    if spec.write_chunk is None or spec.read_chunk is None:
        return spec
    pairs = zip(spec.write_chunk, spec.read_chunk, strict=True)
    return spec.replace(write_chunk=[chunk * _next_power(-(-shard // chunk)) for shard, chunk in pairs])


def _complete(spec: VolumeSpec, name: str) -> Json:
    if wrong := sorted(set(spec.encoding or {}) - {"codec"}):
        raise InvalidInput(f"{name}: unknown encoding option {', '.join(wrong)}; precomputed has codec")
    frame = spec.frame
    size = spec.voxel_size_nm or (1.0, 1.0, 1.0)
    sharding = _sharding(spec, name)
    scale = {
        "size": list(frame.shape[::-1]),
        "voxel_offset": list(frame.start[::-1]),
        "resolution": list(size[::-1]),
        "chunk_size": list(_chunk(spec)[::-1]),
        **codec_of(spec),
        **({"sharding": sharding} if sharding else {}),
    }
    channels = spec.domain.shape[0] if spec.domain.ndim == 4 else 1
    kind = "segmentation" if spec.kind == "labels" else "image"
    volume = {"type": kind, "data_type": spec.dtype.name, "num_channels": channels}
    store = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "memory"}}
    own = ts.Context()
    with map_errors(name, invalid=UnsupportedFormat):
        created = ts.open({**store, "multiscale_metadata": volume, "scale_metadata": scale}, context=own, create=True)
        shard = shard_of(created.result())
        info: Json = json.loads(ts.KvStore.open({"driver": "memory"}, context=own).result()["info"])
    _check_shard(spec, shard, name)
    return info


def _chunk(spec: VolumeSpec) -> tuple[int, ...]:
    chunk = spec.read_chunk or spec.write_chunk
    if chunk is not None:
        return tuple(chunk[i] for i in spec.spatial)
    return tuple(max(1, min(64, n)) for n in spec.frame.shape)


def codec_of(spec: VolumeSpec) -> Json:
    """Return the entry ``encoding`` of a scale, and its options."""
    is_segmentation = spec.kind == "labels" and spec.dtype.name in ("uint32", "uint64")
    default = "compressed_segmentation" if is_segmentation else "raw"
    codec = (spec.encoding or {}).get("codec", default)
    options = {"name": codec} if isinstance(codec, str) else dict(codec)
    encoding = options.pop("name", None)
    if encoding == "compressed_segmentation":
        options = {"compressed_segmentation_block_size": _BLOCK, **options}
    return {"encoding": encoding, **options}


def _sharding(spec: VolumeSpec, name: str) -> Json | None:
    """Return the parameters that make a shard of `write_chunk`, from the bits of the Morton codes of its chunks."""
    if spec.write_chunk is None or spec.read_chunk is None or spec.write_chunk == spec.read_chunk:
        return None
    chunk, shard = _chunk(spec), tuple(spec.write_chunk[i] for i in spec.spatial)
    grid = [-(-n // c) for n, c in zip(spec.frame.shape, chunk, strict=True)]
    inside = [min(s // c, _next_power(g)) for s, c, g in zip(shard, chunk, grid, strict=True)]
    if any(s % c for s, c in zip(shard, chunk, strict=True)) or any(n != _next_power(n) for n in inside):
        raise UnsupportedFormat(
            f"{name}: a shard must be 1, 2, 4, 8, … chunks long; {shard} is not, with chunks of {chunk}"
        )
    bits = sum(int(math.log2(n)) for n in inside)
    minishard = min(bits, _MINISHARD_BITS)
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "hash": "identity",
        "preshift_bits": bits - minishard,
        "minishard_bits": minishard,
        "shard_bits": sum(int(math.log2(_next_power(g))) for g in grid) - bits,
        "minishard_index_encoding": "gzip",
        "data_encoding": "gzip",
    }


def _next_power(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def _check_shard(spec: VolumeSpec, nearest: tuple[int, ...], name: str) -> None:
    if spec.write_chunk is None or spec.write_chunk == spec.read_chunk:
        return
    shard = tuple(spec.write_chunk[i] for i in spec.spatial)
    fits = [a == m or min(a, m) >= n for a, m, n in zip(shard, nearest, spec.frame.shape, strict=True)]
    if not all(fits):
        raise UnsupportedFormat(f"{name}: shards of {shard} (z, y, x) are not possible here; the nearest are {nearest}")


def add_scale(info: Mapping[str, Any], scale: Json) -> Json:
    """Return `info` with one more scale at the end."""
    return {**info, "scales": [*info["scales"], scale]}
