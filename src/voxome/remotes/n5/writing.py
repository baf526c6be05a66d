"""New N5 arrays, with their place in the words of n5-viewer and COSEM."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from voxome.contracts.volume import VolumeSpec
from voxome.errors import UnsupportedFormat
from voxome.remotes.documents import Json, update_json
from voxome.remotes.levels import Scale, coarser
from voxome.remotes.n5.codecs import written_compression
from voxome.remotes.n5.dialects import OWN, STRUCTURAL
from voxome.remotes.n5.groups import ATTRIBUTES, container
from voxome.remotes.tensorstore import kvstore_spec, open_store

_DTYPES = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"float32", "float64"}
_VERSION = "2.0.0"
_CODEC = {"name": "gzip", "level": 1}
_BLOCK_VOXELS = 2**18
FINEST: Scale = (1, 1, 1)


def make_array(
    path: str,
    spec: VolumeSpec,
    scale: Scale,
    *,
    name: str,
    free: Mapping[str, Any] = MappingProxyType({}),
    group: str | None = None,
) -> None:
    """Make the array at `path` for `spec` at `scale`, with `free` attributes; in the `group` if it is a level.

    Raises
    ------
    AlreadyThere
        If there is one.
    UnsupportedFormat
        If N5 cannot hold it.
    """
    if spec.dtype.name not in _DTYPES:
        raise UnsupportedFormat(f"{name}: N5 holds {', '.join(sorted(_DTYPES))}, not {spec.dtype}")
    if spec.fill != 0:
        raise UnsupportedFormat(f"{name}: unwritten voxels of N5 are 0; a fill of {spec.fill} cannot be kept")
    metadata: Json = {
        "dimensions": list(_level(spec, scale).domain.shape[::-1]),
        "blockSize": list(_block(spec)[::-1]),
        "dataType": spec.dtype.name,
        "compression": written_compression((spec.encoding or {}).get("codec", _CODEC), name),
        **_placement(spec, scale),
        **_kept(free),
    }
    root = container(group or path)
    if root == path:
        metadata["n5"] = _VERSION
    else:
        update_json(root, ATTRIBUTES, lambda old: {"n5": _VERSION, **old})
    store = {"driver": "n5", "kvstore": kvstore_spec(path), "metadata": metadata}
    open_store(store, name, create=True)


def register_level(
    path: str, name: str, spec: VolumeSpec, scale: Scale, free: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Enter the level `name` of `spec` at `scale` into the attributes of the group at `path`."""
    dataset = {"path": name, "transform": _placement(spec, scale).get("transform", {})}

    def change(old: Json) -> Json:
        multiscale = {"name": path.rsplit("/", 1)[-1], "datasets": [], **(old.get("multiscales") or [{}])[0]}
        multiscale["datasets"] = [*multiscale["datasets"], dataset]
        scales = [*old.get("scales", []), list(scale[::-1])]
        return {**old, **_kept(free), "multiscales": [multiscale], "scales": scales, **_resolution(spec)}

    update_json(path, ATTRIBUTES, change)


def _kept(free: Mapping[str, Any]) -> Json:
    """What `free` says beyond the array itself, which the spec says better."""
    return {key: value for key, value in free.items() if key not in STRUCTURAL}


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
    own = {"axes": list(spec.axes), "start": list(level.domain.start), "kind": spec.kind}
    own |= {"voxel_size_nm": level.voxel_size_nm, "offset_nm": level.offset_nm}
    if len(spec.spatial) != 3:
        return {OWN: own}
    factors = {"downsamplingFactors": list(scale[::-1])} if spec.domain.ndim == 3 else {}
    return {OWN: own | {"factor": scale}, **factors, **_resolution(spec), **_transform(level)}


def _transform(level: VolumeSpec) -> Json:
    size = level.voxel_size_nm
    if size is None:
        return {}
    first = [o + a * s for o, a, s in zip(level.offset_nm, level.frame.start, size, strict=True)]
    scale, translate = [1.0] * level.domain.ndim, [0.0] * level.domain.ndim
    units = [""] * level.domain.ndim
    for place, one, shift in zip(level.spatial, size, first, strict=True):
        scale[place], translate[place], units[place] = one, shift, "nm"
    return {"transform": {"axes": list(level.axes), "scale": scale, "translate": translate, "units": units}}
