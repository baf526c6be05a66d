"""Voxel size and offset of an N5 array, as stored by n5-viewer, COSEM, Paintera, BigDataViewer and plain groups.

N5 itself prescribes none of this. Every flavour puts a size, and the factors of a downsampled level, in the attributes
of the array or of the group above it. Values are listed as the dimensions are, x first, except in COSEM's
``transform``, which is z first unless its ``ordering`` is F. A level downsampled by f has its first centre (f - 1) / 2
voxels further on. Lengths without a unit are taken as nm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voxome.contracts.levels import Lengths
from voxome.geometry.axes import default_axes, standard_order
from voxome.geometry.units import nm_per

Json = Mapping[str, Any]

VOXOME = "voxome"
"""Attribute for what no flavour has a key for: axes, first index, kind."""

STRUCTURAL = frozenset(
    f"""n5 dimensions blockSize dataType compression compressionType transform multiscales pixelResolution
    downsamplingFactors scales multiScale resolution offset units axes {VOXOME}""".split()
)
"""Attributes that describe the array itself, and are not the user's."""

_LEVEL = re.compile(r"s(\d+)$")


@dataclass(frozen=True)
class GroupContext:
    """The attributes above an array.

    Attributes
    ----------
    group, above : mapping
        Attributes of its group, and of the folder that contains the group.
    s0 : mapping
        Attributes of the group's array ``s0``.
    """

    group: Json = field(default_factory=dict)
    above: Json = field(default_factory=dict)
    s0: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Transform:
    """Voxel size and offset of an array.

    Attributes
    ----------
    stored : tuple of str
        Names of the axes as stored, x first unless the metadata name them.
    order : tuple of int
        Which stored axis comes first, second … when opened.
    voxel_size_nm : (z, y, x) or None
        Edge lengths of a voxel; None where the metadata give none.
    offset_nm : (z, y, x)
        Position of the centre of voxel 0.
    factor : (z, y, x)
        Voxels of the finest level along one voxel.
    """

    stored: tuple[str, ...]
    order: tuple[int, ...]
    voxel_size_nm: Lengths | None = None
    offset_nm: Lengths = (0.0, 0.0, 0.0)
    factor: Lengths = (1.0, 1.0, 1.0)


def transform_of(array: Json, name: str, context: GroupContext) -> Transform:
    """Return the voxel size and offset of the array `name`, from its attributes and those above it."""
    ndim = len(array["dimensions"])
    if array.get(VOXOME):
        return _from_voxome(array[VOXOME])
    factor = _factor(array, name, context)
    transform = array.get("transform") or _listed(context.group, name)
    if transform:
        return _cosem(transform, ndim, factor)
    stored = _axes(ndim, array, context.group)
    order = standard_order(stored)
    resolution = _resolution(array, context.group)
    if resolution is None:
        return Transform(stored, order, factor=_triple(stored, factor, 1.0) or (1.0, 1.0, 1.0))
    values, units = resolution
    shift = array.get("offset", context.group.get("offset", [0] * ndim))
    by_axis = list(zip(_lengths(values, units), factor, _lengths(shift, units), strict=False))
    size = [r * f for r, f, _ in by_axis]
    offset = [o + (f - 1) / 2 * r for r, f, o in by_axis]
    return Transform(
        stored,
        order,
        _triple(stored, size),
        _triple(stored, offset) or (0.0, 0.0, 0.0),
        _triple(stored, factor, 1.0) or (1.0, 1.0, 1.0),
    )


def level_number(name: str) -> int | None:
    """Return N for a level called sN; None for any other name."""
    matched = _LEVEL.match(name)
    return int(matched[1]) if matched else None


def level_names(group: Json) -> list[str]:
    """Return the paths of the levels in COSEM's ``multiscales``, as it lists them; empty if it has none."""
    listed = group.get("multiscales") or [{}]
    return [str(one["path"]).strip("/") for one in listed[0].get("datasets", [])]


def is_labels(array: Json, context: GroupContext) -> bool:
    """Return whether the voxels are ids: Paintera calls them labels, a largest id is stored, or they have 64 bits."""
    paintera = context.group.get("painteraData") or context.above.get("painteraData") or {}
    counted = any("maxId" in one for one in (array, context.group, context.above))
    return bool(paintera.get("type") == "label" or counted or array["dataType"] == "uint64")


def is_multiset(array: Json) -> bool:
    """Return whether the blocks are Paintera's label multisets."""
    return bool(array.get("isLabelMultiset"))


def _from_voxome(ours: Json) -> Transform:
    opened = tuple(ours["axes"])
    size, offset, factor = ours.get("voxel_size_nm"), ours.get("offset_nm"), ours.get("factor")
    return Transform(
        opened[::-1],
        tuple(reversed(range(len(opened)))),
        None if size is None else _three(size),
        _three(offset or (0, 0, 0)),
        _three(factor or (1, 1, 1)),
    )


def _three(values: Sequence[float]) -> Lengths:
    z, y, x = values
    return (float(z), float(y), float(x))


def _cosem(transform: Json, ndim: int, factor: Sequence[float]) -> Transform:
    step = 1 if transform.get("ordering", "C") == "F" else -1
    stored = tuple(str(name).lower() for name in transform["axes"])[::step]
    if len(stored) != ndim:
        raise ValueError(f"transform names the axes {stored}, the array has {ndim}")
    units = transform.get("units", "nm")
    size = _triple(stored, _lengths(transform["scale"], units)[::step])
    offset = _triple(stored, _lengths(transform.get("translate", [0] * ndim), units)[::step])
    zyx = _triple(stored, factor, 1.0) or (1.0, 1.0, 1.0)
    return Transform(stored, standard_order(stored), size, offset or (0.0, 0.0, 0.0), zyx)


def _listed(group: Json, name: str) -> Json | None:
    for one in (group.get("multiscales") or [{}])[0].get("datasets", []):
        if str(one.get("path", "")).strip("/") == name:
            transform: Json | None = one.get("transform")
            return transform
    return None


def _axes(ndim: int, *where: Json) -> tuple[str, ...]:
    for attributes in where:
        names = attributes.get("axes")
        if isinstance(names, list) and len(names) == ndim and all(isinstance(one, str) for one in names):
            return tuple(one.lower() for one in names)
    return default_axes(ndim)[::-1]


def _resolution(*where: Json) -> tuple[Sequence[float], Any] | None:
    for attributes in where:
        for key in ("pixelResolution", "resolution"):
            value = attributes.get(key)
            if isinstance(value, Mapping):
                return value["dimensions"], value.get("unit", "nm")
            if value is not None:
                return value, attributes.get("units", "nm")
    return None


def _factor(array: Json, name: str, context: GroupContext) -> list[float]:
    factors = array.get("downsamplingFactors")
    if factors:
        return [float(f) for f in factors]
    number = level_number(name)
    if number is None:
        return [1.0] * len(array["dimensions"])
    for attributes, key in [
        (context.group, "scales"),
        (context.group, "downsamplingFactors"),
        (context.above, "downsamplingFactors"),
    ]:
        listed = attributes.get(key)
        if isinstance(listed, list) and number < len(listed) and isinstance(listed[number], list):
            return [float(f) for f in listed[number]]
    return _implied(number, array["dimensions"], context.s0.get("dimensions"))


def _implied(number: int, dimensions: Sequence[int], finest: Sequence[int] | None) -> list[float]:
    """Return the factors that a name sN represents: 2^N, unless the dimensions clearly belong to another factor."""
    two = float(2**number)
    if finest is None:
        return [two] * len(dimensions)
    fits = [abs(whole / two - n) < 1 for whole, n in zip(finest, dimensions, strict=True)]
    return [
        two if fit else float(max(1, round(whole / n))) for fit, whole, n in zip(fits, finest, dimensions, strict=True)
    ]


def _lengths(values: Sequence[float], units: Any) -> list[float]:
    """`values` in nm, by one unit or one for each; nan where the unit is not a length."""
    names = [units] * len(values) if isinstance(units, str) else list(units)
    scales = [nm_per(one) for one in names]
    return [float("nan") if s is None else float(v) * s for v, s in zip(values, scales, strict=True)]


def _triple(stored: Sequence[str], values: Sequence[float], default: float = float("nan")) -> Lengths | None:
    """Return the z, y and x of `values`, listed as the stored axes are; None if one is missing or not a number."""
    found = dict(zip(stored, values, strict=False))
    z, y, x = (found.get(name, default) for name in "zyx")
    return (z, y, x) if all(v == v for v in (z, y, x)) else None
