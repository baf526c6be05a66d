"""Pieces of the skeletons of the labels of a block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from annotated_types import Ge
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.geometry.grid import Halo
from voxome.resources.table import TableFile
from voxome.tools.common.skeletonization.cells import CELL, trace_cells
from voxome.tools.common.skeletonization.given_points import COLUMNS, GivenPoints
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.pieces import BlockBoxes
from voxome.tools.common.skeletonization.rows import PIECES, rows_of

REACH_NM = 500.0
"""How far a block sees beyond itself; radii up to this are exact near its faces."""
_MOST_VOXELS = 32
POINTS = kinds.Table(COLUMNS, key=())
"""Roots and targets, as an input."""


def halo_of(_: Mapping[str, Any], voxel_size_nm: tuple[float, float, float]) -> Halo:
    """Return the voxels that a block reads beyond itself on each side."""
    z, y, x = (min(max(math.ceil(REACH_NM / size), 1), _MOST_VOXELS) for size in voxel_size_nm)
    return (z, y, x), (z, y, x)


def _problems(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    if specs["labels"].dtype.kind not in "biu":
        yield f"labels are {specs['labels'].dtype}; expected integers"


@tool(
    "common.skeleton_pieces",
    halo=halo_of,
    grid=CELL,
    outputs={"pieces": kinds.Groups(PIECES)},
    check=_problems,
    memory=memory_of(800_000_000, 16),
)
def skeleton_pieces(
    labels: Annotated[NDArray[Any], kinds.Labels(dtype=None)],
    points: Annotated[TableFile | None, POINTS] = None,
    *,
    scale: Annotated[float, Ge(0)] = 1.5,
    const_nm: Annotated[float, Ge(0)] = 300.0,
    block: BlockContext,
) -> dict[str, Rows]:
    """Trace the paths of all labels, block by block; common.skeletons joins the pieces.

    Parameters
    ----------
    labels : (z, y, x) array of integers
        Labels; 0 is background.
    points : table, optional
        Roots and targets: the object, a position in it in nm in the corner frame, and the kind, ``root`` or ``target``.
    scale, const_nm : float
        A path covers what is within ``scale * radius + const_nm`` of it, in nm; what no path covers becomes a branch.

    Returns
    -------
    pieces : table of groups
        The part of each skeleton that a block has, with more branches than will stay.
    """
    frame = block.frame
    boxes = BlockBoxes(block.write, block.read, frame.box, frame.domain)
    halo = halo_of({}, frame.scale_nm)
    teasar = Teasar(scale, const_nm)
    given = GivenPoints.read(points, frame.scale_nm)
    if given is not None:
        given.within(boxes.write).require_labels(labels, boxes.read)
    extra = None if given is None else given.voxels
    return {"pieces": rows_of(list(trace_cells(labels, boxes, halo, frame.scale_nm, teasar, extra)))}
