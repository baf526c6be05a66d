"""OME-Zarr multiscales: the arrays of a pyramid, their voxel sizes and positions.

Source: OME-NGFF specification 0.4 and 0.5, section "multiscales" metadata; positions are of voxel centres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxome.contracts.levels import Lengths, require_plausible_count
from voxome.contracts.provenance import Provenance
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry.units import nm_per
from voxome.remotes.json_members import problem_of, require_list, require_numbers, require_object, wrong_member
from voxome.storage.inside import is_inside

_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


@dataclass(frozen=True)
class Dataset:
    """One array of a pyramid, its axes as stored.

    Attributes
    ----------
    path : str
        The array, relative to the group.
    axes : tuple of str
        Names of its axes.
    units : tuple of str or None
        The unit of each axis.
    scale, translation : tuple of float
        Size of a voxel, and the centre of the first, along each axis in its unit.
    problem : str
        Why its coordinate transformations cannot be read; empty where they can.
    """

    path: str
    axes: tuple[str, ...]
    units: tuple[str | None, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    problem: str = ""

    def nm(self, values: Sequence[float]) -> tuple[float, float, float] | None:
        """Return `values` of its axes along (z, y, x) in nm; None unless it has all three in units of length."""
        lengths = []
        for name in "zyx":
            axis = self.axes.index(name) if name in self.axes else None
            factor = None if axis is None else nm_per(self.units[axis])
            if axis is None or factor is None:
                return None
            lengths.append(values[axis] * factor)
        return (lengths[0], lengths[1], lengths[2])

    @property
    def size(self) -> Lengths | None:
        """Size of a voxel (z, y, x) in the units of its axes, 1 along a missing axis; None if it cannot be read."""
        if self.problem:
            return None
        by_axis = dict(zip(self.axes, self.scale, strict=True))
        return (by_axis.get("z", 1.0), by_axis.get("y", 1.0), by_axis.get("x", 1.0))


def read_provenance(attributes: Mapping[str, Any]) -> tuple[Provenance, ...]:
    """Return what the multiscales of others say has made their levels: their ``type`` and ``metadata``."""
    entry = multiscales(attributes)
    found = {name: entry[name] for name in ("type", "metadata") if isinstance(entry, Mapping) and entry.get(name)}
    return (Provenance.of_others("multiscales", found),) if found else ()


def multiscales(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the first multiscales entry among a group's attributes, or None."""
    ome = attributes.get("ome")
    entries = (ome if isinstance(ome, Mapping) else attributes).get("multiscales")
    return entries[0] if isinstance(entries, list) and entries else None


def holds_labels(attributes: Mapping[str, Any]) -> bool:
    """Return whether a group is marked as a label image."""
    ome = attributes.get("ome")
    return "image-label" in attributes or (isinstance(ome, Mapping) and "image-label" in ome)


def datasets(entry: Mapping[str, Any], name: str) -> list[Dataset]:
    """Return the arrays of a multiscales entry as it lists them. Versions before 0.3 have the axes t, c, z, y, x.

    Raises
    ------
    CorruptData
        If the entry does not follow the specification.
    """
    try:
        listed = require_list("axes", entry.get("axes") or list("tczyx"))
        axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in listed]
        names = tuple(_axis_name(str(axis["name"])) for axis in axes)
        units = tuple(unit if isinstance(unit := axis.get("unit"), str) else None for axis in axes)
        outer = entry.get("coordinateTransformations") or []
        entries = require_list("datasets", entry["datasets"])
        require_plausible_count(len(entries))
        arrays = [_dataset(require_object("a dataset", one), names, units, outer) for one in entries]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptData(f"{name}: its multiscales do not follow OME-Zarr: {problem_of(error)}") from error
    if not arrays:
        raise CorruptData(f"{name}: its multiscales list no dataset")
    return arrays


def _dataset(
    one: Mapping[str, Any], axes: tuple[str, ...], units: tuple[str | None, ...], outer: Sequence[Mapping[str, Any]]
) -> Dataset:
    path = str(one["path"])
    if path.strip("/") and not is_inside(path.lstrip("/")):
        raise wrong_member("path", path, "a path inside the group")
    try:
        own = require_list("coordinateTransformations", one.get("coordinateTransformations") or [])
        scale, shift = compose([*own, *require_list("coordinateTransformations", outer)], len(axes))
        for axis, size in zip(axes, scale, strict=True):
            if axis in "zyx" and size <= 0:
                raise ValueError(f"the scale along {axis} is {size:g}; expected a positive number")
    except ValueError as error:
        return Dataset(path, axes, units, (1.0,) * len(axes), (0.0,) * len(axes), problem=str(error))
    return Dataset(path, axes, units, scale, shift)


def _axis_name(name: str) -> str:
    """Return the name of an axis, in lower case where OME-Zarr itself names it so."""
    return name.lower() if name.lower() in _TYPES else name


def compose(steps: Sequence[Mapping[str, Any]], ndim: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the scale and translation that coordinate transformations of `ndim` axes amount to.

    Raises
    ------
    ValueError
        If one is neither a scale nor a translation, has another number of axes, or numbers that are not finite.
    """
    scale, shift = [1.0] * ndim, [0.0] * ndim
    for step in steps:
        kind = require_object("a coordinate transformation", step).get("type")
        if kind == "identity":
            continue
        if kind not in ("scale", "translation"):
            raise ValueError(f"coordinate transformation of type {kind!r}; scale and translation are read")
        if kind not in step and "path" in step:
            raise ValueError(f"its {kind} is in {step['path']!r}; only numbers in the metadata are read")
        values = require_numbers(kind, step.get(kind), ndim)
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, values, strict=True)]
            shift = [a * b for a, b in zip(shift, values, strict=True)]
        else:
            shift = [a + b for a, b in zip(shift, values, strict=True)]
    return tuple(scale), tuple(shift)


def expressible(spec: VolumeSpec) -> bool:
    """Return whether OME-Zarr has such axes: 2 to 5 of t, c, z, y, x, among them y and x."""
    return set(spec.axes) <= set(_TYPES) and {"y", "x"} <= set(spec.axes)


def document(spec: VolumeSpec, name: str, version: str, arrays: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the group attributes of a pyramid whose `arrays`, finest first, are those of `dataset`.

    Parameters
    ----------
    spec : VolumeSpec
        The finest level.
    name, version : str
        What the pyramid is called, and the version of OME-Zarr.
    arrays : sequence of mapping
        Its entries.
    """
    if not expressible(spec):
        raise UnsupportedFormat(
            f"{name}: OME-Zarr has the axes t, c, z, y, x, not {'/'.join(spec.axes)}; "
            "write a plain array with encoding={'ome': False}"
        )
    axes = [{"name": axis, "type": _TYPES[axis]} for axis in spec.axes]
    if spec.voxel_size_nm is not None:
        for axis in spec.spatial:
            axes[axis]["unit"] = "nanometer"
    entry = {"name": name, "axes": axes, "datasets": list(arrays)}
    if version == "0.4":
        return {"multiscales": [{"version": version, **entry}]}
    return {"ome": {"version": version, "multiscales": [entry]}}


def dataset(path: str, spec: VolumeSpec, ratio: tuple[int, int, int]) -> dict[str, Any]:
    """Return the entry of the array `path` for `spec`, whose voxels are `ratio` (z, y, x) times the finest ones.

    Where the voxel size is unknown, lengths are in voxels of the finest level and carry no unit.
    """
    size = spec.voxel_size_nm or tuple(float(n) for n in ratio)
    origin = spec.offset_nm if spec.voxel_size_nm else tuple((n - 1) / 2 for n in ratio)
    scale, shift = [1.0] * len(spec.axes), [0.0] * len(spec.axes)
    for i, name in enumerate("zyx"):
        if name in spec.axes:
            axis = spec.axes.index(name)
            scale[axis] = float(size[i])
            shift[axis] = float(origin[i]) + spec.domain.start[axis] * float(size[i])
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]
    return {"path": path, "coordinateTransformations": steps}


def with_dataset(attributes: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group's attributes with one more array at the end of the first multiscale."""
    ome = attributes.get("ome")
    holder = dict(ome) if isinstance(ome, Mapping) and "multiscales" in ome else dict(attributes)
    first, *rest = holder["multiscales"]
    holder["multiscales"] = [{**first, "datasets": [*first["datasets"], dict(one)]}, *rest]
    return {**attributes, "ome": holder} if isinstance(ome, Mapping) and "multiscales" in ome else holder
