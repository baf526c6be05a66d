"""Columns of the positions of annotations, in tables and in what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping

from voxome.contracts.shapes import AnnotationShape

POSITIONS: Mapping[AnnotationShape, tuple[str, ...]] = {
    "point": ("",),
    "line": ("start_", "stop_"),
    "box": ("low_", "high_"),
    "ellipsoid": ("centre_", "radius_"),
}
"""Geometry → what its columns ``z_nm, y_nm, x_nm`` begin with."""


def position_columns(shape: AnnotationShape) -> tuple[str, ...]:
    """Return the names of the columns of positions.

    Examples
    --------
    >>> position_columns("point")
    ('z_nm', 'y_nm', 'x_nm')
    """
    return tuple(f"{prefix}{axis}_nm" for prefix in POSITIONS[shape] for axis in "zyx")
