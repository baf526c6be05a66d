"""Meshes of the labels of a block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.tools.common.meshing.rows import PIECES, rows_of
from voxome.tools.common.meshing.surface import mesh_block
from voxome.tools.common.unsigned_labels import unsigned_labels


def _problems(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    if specs["labels"].dtype.kind not in "biu":
        yield f"labels are {specs['labels'].dtype}; expected integers"


@tool(
    "common.mesh_pieces",
    halo=((0, 0, 0), (1, 1, 1)),
    outputs={"pieces": kinds.Groups(PIECES)},
    invariance="none",
    check=_problems,
    memory=memory_of(280_000_000, 60),
)
def mesh_pieces(labels: Annotated[NDArray[Any], kinds.Labels(dtype=None)], *, block: BlockContext) -> dict[str, Rows]:
    """Mesh all labels, block by block; common.meshes joins the pieces.

    Parameters
    ----------
    labels : (z, y, x) array of integers
        Labels; 0 is background.

    Returns
    -------
    pieces : table of groups
        The part of each mesh that a block has. All pieces together are the faces of the whole, each once.
    """
    return {"pieces": rows_of(mesh_block(unsigned_labels(labels), block.read, block.write, block.frame.box))}
