"""Meshes of objects, from the pieces that blocks have of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from annotated_types import Ge, Interval

from voxome import kinds
from voxome.contracts.context import Group, GroupRows
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.shapes import Mesh
from voxome.tools.common.meshing.objects import TABLE, LevelErrors, mesh_object, table_rows
from voxome.tools.common.meshing.rows import PIECES, pieces_of
from voxome.tools.common.object_stream import ObjectStream


@tool(
    "common.meshes",
    scope="groups",
    outputs={"meshes": kinds.Meshes(), "objects": kinds.Table(TABLE, key=("id",))},
)
def meshes(
    pieces: Annotated[GroupRows, kinds.Groups(PIECES)],
    *,
    max_error_nm: Annotated[float, Ge(0)] = 0.0,
    levels: Annotated[int, Interval(ge=1, le=10)] = 1,
    min_volume_nm3: Annotated[float, Ge(0)] = 0.0,
    group: Group,
) -> dict[str, Any]:
    """Join the pieces of each object into a mesh, simplify it, and measure it.

    Parameters
    ----------
    pieces : table of groups
        Pieces from common.mesh_pieces.
    max_error_nm : float
        Largest distance, in nm, between the mesh and the surface of the voxels; 0 for that surface itself.
    levels : int
        Number of levels of detail; each doubles the largest distance, from a voxel on if that is 0.
    min_volume_nm3 : float
        Objects with less volume, in cubic nm, get no mesh; the table lists them.

    Returns
    -------
    meshes : meshes
        Of each object, its levels of detail.
    objects : table
        Volume, area, bounding box and error of each object.
    """
    size = group.frame.scale_nm
    errors = LevelErrors.of(max_error_nm, levels, size)

    def results() -> Iterator[tuple[Rows, int, list[Mesh] | None]]:
        for id in pieces.ids().tolist():
            found = mesh_object(pieces_of(pieces.rows(id)), size, errors, min_volume_nm3)
            yield table_rows([found.measures]), id, found.levels or None

    stream = ObjectStream(results())
    return {"meshes": stream.shapes(), "objects": stream.rows()}
