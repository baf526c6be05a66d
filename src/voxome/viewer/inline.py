"""Annotations inside the JSON state of Neuroglancer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import InvalidInput
from voxome.geometry.units import nm_per

Axes = Sequence[tuple[str, float]]
"""Names of axes, in their order, with the nm of their units."""

_SHAPES: Mapping[str, tuple[AnnotationShape, tuple[str, ...]]] = {
    "point": ("point", ("point",)),
    "line": ("line", ("pointA", "pointB")),
    "axis_aligned_bounding_box": ("box", ("pointA", "pointB")),
    "ellipsoid": ("ellipsoid", ("center", "radii")),
}
"""Type in the state → shape, and the members with its positions."""


def read_axes(dimensions: Any) -> Axes | None:
    """Return the axes of the ``dimensions`` of a state, in their order, which is that of all of its positions.

    None if they are malformed, or lack x, y or z; other axes count as they are.
    """
    if not isinstance(dimensions, Mapping) or not {"x", "y", "z"} <= set(dimensions):
        return None
    try:
        axes = [(str(axis), float(size) * (nm_per(unit) or 1.0)) for axis, (size, unit) in dimensions.items()]
    except (TypeError, ValueError):
        return None
    spatial = [nm_per(dimensions[axis][1]) for axis in "xyz"]
    return None if None in spatial or not np.isfinite([nm for _, nm in axes]).all() else axes


def read_inline(entries: Sequence[Mapping[str, Any]], axes: Axes, layer: str) -> dict[str, Annotations]:
    """Return annotations by shape; they are numbered from 1, in their order.

    Parameters
    ----------
    entries : sequence of mapping
        Annotations as in the state, with positions, ``description`` and ``segments``.
    axes : sequence of (str, float)
        Names of the axes of the positions, in their order, and nm of their units.
    layer : str
        Name of the layer, for messages.

    Returns
    -------
    dict
        Shape → annotations with the property ``description``, the id in the viewer as ``name``, and the related
        ``segments``.

    Raises
    ------
    InvalidInput
        If an annotation is malformed, or of a type that voxome does not know.
    """
    rows: dict[str, list[int]] = {}
    for number, one in enumerate(entries):
        if not isinstance(one, Mapping) or one.get("type") not in _SHAPES:
            kind = one.get("type") if isinstance(one, Mapping) else one
            raise InvalidInput(
                f"annotation {number} of the layer {layer!r} is {kind!r}; expected one of {', '.join(_SHAPES)}"
            )
        rows.setdefault(one["type"], []).append(number)
    return {_SHAPES[name][0]: _read(name, numbers, entries, axes, layer) for name, numbers in rows.items()}


def _read(name: str, numbers: list[int], entries: Sequence[Mapping[str, Any]], axes: Axes, layer: str) -> Annotations:
    shape, members = _SHAPES[name]
    chosen = [entries[number] for number in numbers]
    names = [axis for axis, _ in axes]
    columns = [names.index(axis) for axis in "zyx"]
    try:
        places = np.array([[one[member] for member in members] for one in chosen], np.float64)
        if places.shape[2:] != (len(axes),) or not np.isfinite(places).all():
            raise ValueError(f"a position that is not {len(axes)} finite numbers")
        segments = [_segments(one.get("segments", [])) for one in chosen]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"the layer {layer!r} has a malformed {name}: {error}; expected {' and '.join(members)}, each with "
            f"{', '.join(names)}"
        ) from error
    return Annotations(
        shape,
        np.array(numbers, np.uint64) + np.uint64(1),
        (places * [nm for _, nm in axes])[..., columns],
        {
            "name": np.array([str(one.get("id", "")) for one in chosen], object),
            "description": np.array([str(one.get("description", "")) for one in chosen], object),
        },
        {"segments": segments},
    )


def _segments(given: Sequence[Any]) -> list[int]:
    """Return the related ids: a list, or a list for each relation."""
    flat = [one for part in given for one in (part if isinstance(part, list) else [part])]
    return [int(one) for one in flat]


def inline_entry(annotations: Annotations, row: int) -> dict[str, Any]:
    """Return an annotation as it is in a state, with positions in nm.

    Positions are rounded to 1e-3 nm, so that those of 32 bits in a store compare equal.
    """
    name, (_, members) = next(item for item in _SHAPES.items() if item[1][0] == annotations.shape)
    places = np.round(annotations.positions_nm[row], 3)[:, ::-1].tolist()
    entry: dict[str, Any] = {
        "type": name,
        "id": str(int(annotations.ids[row])),
        **dict(zip(members, places, strict=True)),
    }
    if description := str(annotations.properties.get("description", [""] * (row + 1))[row]):
        entry["description"] = description
    if segments := [str(one) for labels in annotations.relations.values() for one in labels[row].tolist()]:
        entry["segments"] = [segments]
    return entry
