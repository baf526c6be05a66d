"""Skeletons of objects, from the pieces that blocks have of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Ge

from voxome import kinds
from voxome.contracts.context import Group, GroupRows
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.shapes import Skeleton
from voxome.contracts.source import VolumeView
from voxome.contracts.spec import VolumeSpec
from voxome.resources.table import TableFile
from voxome.tools.common.object_stream import ObjectStream
from voxome.tools.common.skeleton_pieces import POINTS
from voxome.tools.common.skeletonization.given_points import GivenPoints
from voxome.tools.common.skeletonization.node_sections import add_cross_sections
from voxome.tools.common.skeletonization.objects import TABLE, table_rows, trace_object
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.rows import PIECES, pieces_of


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    if parameters["cross_sections"] and "labels" not in specs:
        yield "cross_sections needs the labels too, from which the pieces were traced"


@tool(
    "common.skeletons",
    scope="groups",
    outputs={"skeletons": kinds.Skeletons(), "objects": kinds.Table(TABLE, key=("id",))},
    check=_problems,
)
def skeletons(
    pieces: Annotated[GroupRows, kinds.Groups(PIECES)],
    labels: Annotated[VolumeView | None, kinds.Labels(dtype=None)] = None,
    points: Annotated[TableFile | None, POINTS] = None,
    *,
    scale: Annotated[float, Ge(0)] = 1.5,
    const_nm: Annotated[float, Ge(0)] = 300.0,
    soma_radius_nm: Annotated[float, Ge(0)] = 2000.0,
    min_volume_nm3: Annotated[float, Ge(0)] = 0.0,
    cross_sections: bool = False,
    group: Group,
) -> dict[str, Any]:
    """Join the pieces of each object into a skeleton, and choose its branches.

    Parameters
    ----------
    pieces : table of groups
        Pieces from common.skeleton_pieces.
    labels : volume of integers, optional
        The labels from which the pieces were traced, for cross-sections.
    points : table, optional
        Roots and targets, of which the pieces were traced too. A root is that of its part of the object; a target has
        a node.
    scale, const_nm : float
        A path covers what is within ``scale * radius + const_nm`` of it, in nm; what no path covers becomes a branch.
    soma_radius_nm : float
        An object that is as thick as this, in nm, has a soma: its middle is the root, which branches leave straight.
    min_volume_nm3 : float
        Objects with less volume, in cubic nm, get no skeleton; the table lists them.
    cross_sections : bool
        Whether nodes have the attribute ``cross_section_nm2``: the area of the object's cross-section there, in nm².

    Returns
    -------
    skeletons : skeletons
        A tree for each 26-connected part of an object; rings are opened.
    objects : table
        Volume, cable, branch and end points of each object, and the median of the known areas of its cross-sections.
    """
    teasar = Teasar(scale, const_nm, soma_radius_nm)
    given = GivenPoints.read(points, group.frame.scale_nm)

    def results() -> Iterator[tuple[Rows, int, Skeleton | None]]:
        for id in pieces.ids().tolist():
            parts = pieces_of(pieces.rows(id))
            one = trace_object(parts, group.frame.scale_nm, teasar, min_volume_nm3, group.frame.box, given)
            if cross_sections and labels is not None and one.skeleton is not None:
                one = replace(one, skeleton=add_cross_sections(labels, id, one.skeleton, group.frame.scale_nm))
            yield table_rows([one]), id, one.skeleton

    stream = ObjectStream(results())
    return {"skeletons": stream.shapes(), "objects": stream.rows()}
