"""Voxel size and offset of an N5 array, as stored by n5-viewer, COSEM, Paintera, BigDataViewer and plain groups.

N5 itself prescribes none of this. Every flavour puts a size, and the factors of a downsampled level, in the attributes
of the array or of the group above it. Values are listed as the dimensions are, x first, except in COSEM's
``transform``, which is z first unless its ``ordering`` is F. A level downsampled by f has its first centre (f - 1) / 2
voxels further on. Lengths without a unit are taken as nm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from voxome.contracts.levels import Lengths
from voxome.contracts.provenance import ATTRIBUTE
from voxome.errors import CorruptData, describe_value
from voxome.geometry.axes import default_axes, standard_order
from voxome.geometry.units import nm_per
from voxome.remotes.json_members import require_list, require_object, require_whole_numbers
from voxome.remotes.zarr import ome
from voxome.storage.inside import is_inside

Json = Mapping[str, Any]
ReadFactor = Callable[[], list[float]]
"""Returns the factors of a downsampled level, in the order of its stored axes."""

VOXOME = "voxome"
"""Attribute for what no flavour has a key for: axes, first index, kind."""

STRUCTURAL = frozenset(
    f"""n5 dimensions blockSize dataType compression compressionType transform multiscales pixelResolution
    downsamplingFactors scales multiScale ome resolution offset units axes {VOXOME} {ATTRIBUTE}""".split()
)
"""Attributes that describe the array itself, and are not the user's."""

_DATA_TYPES = (*(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)), "float32", "float64")
"""Types of voxels that N5 has, but for texts and objects."""

_RESOLUTIONS = ("pixelResolution", "resolution")
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


class _Placement(NamedTuple):
    """What one flavour says, and whether it says where the first voxel is."""

    transform: Transform
    has_offset: bool = True


def transform_of(array: Json, name: str, context: GroupContext) -> Transform:
    """Return the voxel size and offset of the array `name`, from its attributes and those above it.

    In an array of ours, every flavour repeats our own attribute; one that differs from it was changed by another
    program since, and counts.
    """
    if array.get(VOXOME):
        return _recalibrated(array, name, context)
    stored = _axes(len(array["dimensions"]), array, context.group)
    for _, read in _flavours(array, name, context, stored):
        return read().transform
    factor = _factor(array, name, context)
    return Transform(stored, standard_order(stored), factor=_triple(stored, factor, 1.0) or (1.0, 1.0, 1.0))


def check_array(array: Json) -> None:
    """Require that the attributes of an array are of the types that N5 prescribes.

    Raises
    ------
    ValueError
        If not; the message names the attribute, and what was expected.
    """
    ndim = len(require_whole_numbers("dimensions", array.get("dimensions"), 0))
    if not ndim:
        raise ValueError("its dimensions are empty; expected an array of at least one axis")
    require_whole_numbers("blockSize", array.get("blockSize"), 1, ndim)
    if array.get("dataType") not in _DATA_TYPES:
        raise ValueError(
            f"its voxels are of type {describe_value(array.get('dataType'))}; voxome reads {', '.join(_DATA_TYPES)}"
        )
    compression = array.get("compression")
    if compression and not isinstance(compression, str):
        require_object("compression", compression)
    require_object(VOXOME, array.get(VOXOME) or {})


def level_number(name: str) -> int | None:
    """Return N for a level called sN; None for any other name."""
    matched = _LEVEL.match(name)
    return int(matched[1]) if matched else None


def level_names(group: Json) -> list[str]:
    """Return the paths of the levels in the first ``multiscales`` of COSEM or OME-NGFF; empty without them."""
    first = next(iter(_multiscales(group)), {})
    return [path for one in _datasets(first) if (path := _path(one))]


def is_labels(array: Json, context: GroupContext) -> bool:
    """Return whether the voxels are ids: Paintera calls them labels, a largest id is stored, or they have 64 bits."""
    paintera = context.group.get("painteraData") or context.above.get("painteraData") or {}
    counted = any("maxId" in one for one in (array, context.group, context.above))
    return bool(paintera.get("type") == "label" or counted or array["dataType"] == "uint64")


def is_multiset(array: Json) -> bool:
    """Return whether the blocks are Paintera's label multisets."""
    return bool(array.get("isLabelMultiset"))


def _flavours(
    array: Json, name: str, context: GroupContext, stored: tuple[str, ...]
) -> Iterator[tuple[str, Callable[[], _Placement]]]:
    """Yield the name of each flavour that is there, and what reads it; whatever may be malformed is read by that.

    These are COSEM, OME-NGFF, and the resolutions of n5-viewer, Paintera and plain groups.
    """
    ndim, factor = len(array["dimensions"]), partial(_factor, array, name, context)
    if array.get("transform"):
        yield "transform", partial(_cosem, array["transform"], ndim, factor)
    for number, multiscale in enumerate(_multiscales(context.group)):
        one = next((one for one in _datasets(multiscale) if _path(one) == name), {})
        if one.get("transform"):
            yield f"multiscales {number}", partial(_cosem, one["transform"], ndim, factor)
        elif one.get("coordinateTransformations"):
            yield f"multiscales {number}", partial(_ngff, multiscale, name, ndim)
    if any(attributes.get(key) is not None for attributes in (array, context.group) for key in _RESOLUTIONS):
        yield "resolution", partial(_by_resolution, array, context.group, stored, factor)


def _by_resolution(array: Json, group: Json, stored: tuple[str, ...], read_factor: ReadFactor) -> _Placement:
    factor = read_factor()
    values, units = _resolution(array, group)
    shift = array.get("offset", group.get("offset"))
    by_axis = list(zip(_lengths(values, units), factor, _lengths(shift or [0] * len(stored), units), strict=False))
    size = _triple(stored, [r * f for r, f, _ in by_axis])
    offset = _triple(stored, [o + (f - 1) / 2 * r for r, f, o in by_axis]) or (0.0, 0.0, 0.0)
    ratio = _triple(stored, factor, 1.0) or (1.0, 1.0, 1.0)
    return _Placement(Transform(stored, standard_order(stored), size, offset, ratio), has_offset=shift is not None)


def _recalibrated(array: Json, name: str, context: GroupContext) -> Transform:
    """Return the transform of an array of ours, as another program changed it, or else unchanged.

    The flavour that was changed at level 0 counts for the other levels too.
    """
    own = _from_voxome(array[VOXOME])
    placements = _readable(array, name, context, own.stored)
    changed = _changed_flavour(context.s0, "s0", context) if context.s0.get(VOXOME) else None
    if changed not in placements:
        changed = _changed_flavour(array, name, context)
    theirs = None if changed is None else placements[changed]
    if theirs is None or theirs.transform.voxel_size_nm is None:
        return own
    size, old = theirs.transform.voxel_size_nm, own.voxel_size_nm or (0.0, 0.0, 0.0)
    if theirs.has_offset:
        z, y, x = (o - a * n for o, a, n in zip(theirs.transform.offset_nm, _start(array), size, strict=True))
    else:
        rows = zip(own.offset_nm, own.factor, size, old, strict=True)
        z, y, x = (o + (f - 1) / 2 * (n - s) / f for o, f, n, s in rows)
    return replace(own, voxel_size_nm=size, offset_nm=(z, y, x))


def _changed_flavour(array: Json, name: str, context: GroupContext) -> str | None:
    """Return the first flavour that differs from our own attribute, which voxome wrote together with it."""
    own = _from_voxome(array[VOXOME])
    size = own.voxel_size_nm or (0.0, 0.0, 0.0)
    first = [o + a * s for o, a, s in zip(own.offset_nm, _start(array), size, strict=True)]
    for flavour, (theirs, has_offset) in _readable(array, name, context, own.stored).items():
        new = theirs.voxel_size_nm
        if new is not None and not (
            _close(new, size, size) and (not has_offset or _close(theirs.offset_nm, first, size))
        ):
            return flavour
    return None


def _readable(array: Json, name: str, context: GroupContext, stored: tuple[str, ...]) -> dict[str, _Placement]:
    """Return what the flavours that are understood say."""
    placements: dict[str, _Placement] = {}
    for flavour, read in _flavours(array, name, context, stored):
        with suppress(CorruptData, LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            placements[flavour] = read()
    return placements


def _start(array: Json) -> list[float]:
    """Return the first index (z, y, x) of an array of ours."""
    ours = array[VOXOME]
    by_axis = dict(zip(ours["axes"], ours.get("start") or (), strict=False))
    return [float(by_axis.get(axis, 0)) for axis in "zyx"]


def _close(some: Sequence[float], others: Sequence[float], size: Sequence[float]) -> bool:
    return all(abs(a - b) <= 1e-6 * max(abs(s), 1e-9) for a, b, s in zip(some, others, size, strict=True))


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


def _cosem(transform: Json, ndim: int, read_factor: ReadFactor) -> _Placement:
    require_object("transform", transform)
    step = 1 if transform.get("ordering", "C") == "F" else -1
    stored = tuple(str(name).lower() for name in transform["axes"])[::step]
    if len(stored) != ndim:
        raise ValueError(f"transform names the axes {stored}, the array has {ndim}")
    units = transform.get("units", "nm")
    size = _triple(stored, _lengths(transform["scale"], units)[::step])
    offset = _triple(stored, _lengths(transform.get("translate", [0] * ndim), units)[::step])
    zyx = _triple(stored, read_factor(), 1.0) or (1.0, 1.0, 1.0)
    return _Placement(Transform(stored, standard_order(stored), size, offset or (0.0, 0.0, 0.0), zyx))


def _ngff(multiscale: Json, name: str, ndim: int) -> _Placement:
    """Return the transform by OME-NGFF, which n5-universe writes into N5 with the axes of zarr: z first."""
    listed = {one.path.strip("/"): one for one in ome.datasets(multiscale, name)}
    finest, level = next(iter(listed.values())), listed[name]
    if level.problem or len(level.axes) != ndim:
        raise ValueError(level.problem or f"multiscales name the axes {level.axes}, the array has {ndim}")
    stored = tuple(axis.lower() for axis in level.axes)[::-1]
    factor = (1.0, 1.0, 1.0)
    if level.size is not None and finest.size is not None:
        z, y, x = (a / b for a, b in zip(level.size, finest.size, strict=True))
        factor = (z, y, x)
    size, offset = level.nm(level.scale), level.nm(level.translation)
    return _Placement(Transform(stored, standard_order(stored), size, offset or (0.0, 0.0, 0.0), factor))


def _multiscales(group: Json) -> list[Json]:
    """Return the entries of ``multiscales`` of COSEM and OME-NGFF, which has them under ``ome`` since 0.5."""
    newer = group.get("ome")
    holders = [*([newer] if isinstance(newer, Mapping) else []), group]
    return [entry for holder in holders for entry in _objects(holder.get("multiscales"))]


def _datasets(multiscale: Json) -> list[Json]:
    return _objects(multiscale.get("datasets"))


def _objects(values: Any) -> list[Json]:
    """Return the JSON objects in a list; none if it is no list."""
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []


def _path(dataset: Json) -> str:
    path = str(dataset.get("path", "")).strip("/")
    if path and not is_inside(path):
        raise CorruptData(f"the metadata of an N5 group name the level {path!r:.200}; expected a path inside the group")
    return path


def _axes(ndim: int, *where: Json) -> tuple[str, ...]:
    for attributes in where:
        names = attributes.get("axes")
        if isinstance(names, list) and len(names) == ndim and all(isinstance(one, str) for one in names):
            return tuple(one.lower() for one in names)
    return default_axes(ndim)[::-1]


def _resolution(*where: Json) -> tuple[Sequence[float], Any]:
    """Return the first resolution in some attributes, and its units."""
    attributes, key = next((one, key) for one in where for key in _RESOLUTIONS if one.get(key) is not None)
    value = attributes[key]
    if isinstance(value, Mapping):
        return require_list(f"dimensions of {key}", value.get("dimensions")), value.get("unit", "nm")
    return require_list(key, value), attributes.get("units", "nm")


def _factor(array: Json, name: str, context: GroupContext) -> list[float]:
    factors = array.get("downsamplingFactors")
    if factors:
        return [float(f) for f in require_list("downsamplingFactors", factors)]
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
    by_axis = dict(zip(stored, values, strict=False))
    z, y, x = (by_axis.get(name, default) for name in "zyx")
    return (z, y, x) if all(v == v for v in (z, y, x)) else None
