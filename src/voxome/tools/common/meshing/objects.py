"""The mesh of one object, from its pieces: joined, measured, simplified in levels of detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.contracts.shapes import Mesh
from voxome.tools.common.meshing.measures import area_of, is_watertight, volume_of
from voxome.tools.common.meshing.simplify import Surface, simplify
from voxome.tools.common.meshing.surface import Piece, join_pieces, sort_surface

Lengths = tuple[float, float, float]

_BOX = ("start_z", "start_y", "start_x", "stop_z", "stop_y", "stop_x")
TABLE = {
    "id": "uint64",
    "voxels": "int64",
    "volume_nm3": "float64",
    **dict.fromkeys(_BOX, "int64"),
    "meshed": "bool",
    "watertight": "bool",
    "vertices": "int64",
    "faces": "int64",
    "full_faces": "int64",
    "mesh_volume_nm3": "float64",
    "area_nm2": "float64",
    "error_nm": "float64",
}
"""Columns of the table of objects.

``voxels`` and ``volume_nm3`` are of the voxels, ``start_z`` to ``stop_x`` their bounding box, in the coordinates of the
store. What follows is of the finest mesh: whether there is one, whether each of its edges has exactly two faces, how
many vertices and faces it has, how many faces it had before it was simplified, its volume and area, and its largest
distance from the surface of the voxels.
"""


@dataclass(frozen=True)
class LevelErrors:
    """The largest distance of each level of detail from the surface of the voxels, in nm; finest first."""

    bounds_nm: tuple[float, ...]

    @classmethod
    def of(cls, max_error_nm: float, levels: int, voxel_size_nm: Lengths) -> Self:
        """Return distances that double from level to level, from `max_error_nm` or, if that is 0, from a voxel on."""
        first = (max_error_nm,) if max_error_nm else (0.0, max(voxel_size_nm))
        bounds = [*first, *(first[-1] * 2**n for n in range(1, levels))]
        return cls(tuple(bounds[:levels]))


@dataclass(frozen=True)
class MeshedObject:
    """The levels of detail of an object, none if it is too small, and its row of the table."""

    levels: list[Mesh]
    measures: Mapping[str, Any]


def mesh_object(
    pieces: Sequence[Piece],
    voxel_size_nm: Lengths,
    errors: LevelErrors,
    min_volume_nm3: float = 0.0,
    origin_nm: Lengths = (0.0, 0.0, 0.0),
) -> MeshedObject:
    """Join the pieces of an object, and simplify it.

    Parameters
    ----------
    pieces : sequence of Piece
        All pieces of the object; the result does not depend on the blocks.
    voxel_size_nm : (z, y, x)
        Edge lengths of a voxel.
    errors : LevelErrors
        The levels of detail.
    min_volume_nm3 : float
        Volume of the voxels below which the object gets no mesh.
    origin_nm : (z, y, x)
        Position of the corner of voxel 0.

    Returns
    -------
    MeshedObject
    """
    voxels = sum(piece.voxels for piece in pieces)
    volume = voxels * float(np.prod(voxel_size_nm))
    vertices, faces = join_pieces(pieces)
    low, high = vertices.min(axis=0) // 2, vertices.max(axis=0) // 2
    measures: dict[str, Any] = {
        "id": pieces[0].id,
        "voxels": voxels,
        "volume_nm3": volume,
        **dict(zip(_BOX, (*low.tolist(), *high.tolist()), strict=True)),
        "full_faces": len(faces),
    }
    if volume < min_volume_nm3:
        none = {"meshed": False, "watertight": False, "vertices": 0, "faces": 0, "error_nm": np.nan}
        return MeshedObject([], measures | none | {"mesh_volume_nm3": 0.0, "area_nm2": 0.0})
    vertices, faces = sort_surface(vertices, faces)
    # Relative to its lowest corner, so that large coordinates cost no precision.
    half = np.array(voxel_size_nm) / 2
    corner = vertices.min(axis=0)
    full = Surface((vertices - corner) * half, faces)
    levels: list[Mesh] = []
    finest: Surface | None = None
    for bound in errors.bounds_nm:
        surface = simplify(full, bound)
        finest = finest or surface
        levels.append(_to_mesh(surface, vertices if surface is full else None, corner, half, np.array(origin_nm)))
    assert finest is not None
    return MeshedObject(
        levels,
        measures
        | {
            "meshed": True,
            "watertight": is_watertight(len(finest.vertices), finest.faces),
            "vertices": len(finest.vertices),
            "faces": len(finest.faces),
            "mesh_volume_nm3": volume_of(finest.vertices, finest.faces),
            "area_nm2": area_of(finest.vertices, finest.faces),
            "error_nm": finest.error_nm,
        },
    )


def _to_mesh(
    surface: Surface,
    vertices: NDArray[np.int64] | None,
    corner: NDArray[np.int64],
    half: NDArray[np.float64],
    origin: NDArray[np.float64],
) -> Mesh:
    """Return a mesh in nm; with `vertices`, in half voxels, positions are exactly those of corners of voxels."""
    at = surface.vertices + corner * half if vertices is None else vertices * half
    return Mesh(at + origin, surface.faces)  # type: ignore[arg-type]


def table_rows(measures: Sequence[Mapping[str, Any]]) -> Rows:
    """Return the rows of the table of objects."""
    return {name: np.array([row[name] for row in measures], dtype) for name, dtype in TABLE.items()}
