"""Tools of pieces and of groups, for the tests of chains: the voxels and the blocks of each object."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext, Group, GroupRows
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool

PIECES = kinds.Groups({"id": "uint64", "voxels": "int64", "corner": "bytes"})
OBJECTS = kinds.Table({"id": "uint64", "voxels": "int64", "pieces": "int64", "group": "int64"}, key=("id",))


@tool("test.pieces", outputs={"pieces": PIECES})
def pieces(labels: Annotated[NDArray[Any], kinds.Labels()], *, block: BlockContext) -> dict[str, Rows]:
    """Count the voxels of each object in a block."""
    ids, voxels = np.unique(labels, return_counts=True)
    corner = np.array([str(block.write).encode()] * len(ids), object)
    return {"pieces": {"id": ids.astype(np.uint64), "voxels": voxels, "corner": corner}}


@tool("test.objects", scope="groups", outputs={"objects": OBJECTS})
def objects(pieces: Annotated[GroupRows, PIECES], *, group: Group, least_voxels: int = 1) -> dict[str, Rows]:
    """Count the voxels of whole objects."""
    ids = pieces.ids()
    rows = [pieces.rows(id) for id in ids.tolist()]
    kept = np.array([one["voxels"].sum() >= least_voxels for one in rows], bool)
    voxels, counts = ([fold(one["voxels"]) for one in rows] for fold in (np.sum, len))
    table = {
        "id": ids,
        "voxels": np.array(voxels, np.int64),
        "pieces": np.array(counts, np.int64),
        "group": np.full(len(ids), group.index),
    }
    return {"objects": {name: values[kept] for name, values in table.items()}}
