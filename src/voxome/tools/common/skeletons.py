"""Skeletons of objects, from the pieces that blocks have of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from annotated_types import Ge

from voxome import kinds
from voxome.contracts.context import Group, GroupRows
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.shapes import Skeleton
from voxome.tools.common.object_stream import ObjectStream
from voxome.tools.common.skeletonization.objects import TABLE, table_rows, trace_object
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.rows import PIECES, pieces_of


@tool(
    "common.skeletons",
    scope="groups",
    outputs={"skeletons": kinds.Skeletons(), "objects": kinds.Table(TABLE, key=("id",))},
)
def skeletons(
    pieces: Annotated[GroupRows, kinds.Groups(PIECES)],
    *,
    scale: Annotated[float, Ge(0)] = 1.5,
    const_nm: Annotated[float, Ge(0)] = 300.0,
    soma_radius_nm: Annotated[float, Ge(0)] = 2000.0,
    min_volume_nm3: Annotated[float, Ge(0)] = 0.0,
    group: Group,
) -> dict[str, Any]:
    """Join the pieces of each object into a skeleton, and choose its branches.

    Parameters
    ----------
    pieces : table of groups
        Pieces from common.skeleton_pieces.
    scale, const_nm : float
        A path covers what is within ``scale * radius + const_nm`` of it, in nm; what no path covers becomes a branch.
    soma_radius_nm : float
        An object that is as thick as this, in nm, has a soma: its middle is the root, which branches leave straight.
    min_volume_nm3 : float
        Objects with less volume, in cubic nm, get no skeleton; the table lists them.

    Returns
    -------
    skeletons : skeletons
        A tree for each 26-connected part of an object; rings are opened.
    objects : table
        Volume, cable, branch and end points of each object.
    """
    teasar = Teasar(scale, const_nm, soma_radius_nm)

    def results() -> Iterator[tuple[Rows, int, Skeleton | None]]:
        for id in pieces.ids().tolist():
            one = trace_object(pieces_of(pieces.rows(id)), group.frame.scale_nm, teasar, min_volume_nm3)
            yield table_rows([one]), id, one.skeleton

    stream = ObjectStream(results())
    return {"skeletons": stream.shapes(), "objects": stream.rows()}
