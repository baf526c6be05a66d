"""Pairs of touching labels."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.tools.common.components import touching_pairs

PAIRS = kinds.Table({"a": "uint64", "b": "uint64"}, key=("a", "b"))


@tool("common.touching", halo=((0, 0, 0), (1, 1, 1)), outputs={"pairs": PAIRS}, memory=memory_of(229_000_000, 24))
def touching(labels: Annotated[NDArray[np.uint64], kinds.Labels()], *, block: BlockContext) -> dict[str, Rows]:
    """List the pairs of labels that share a voxel face.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        Labels; 0 is background.

    Returns
    -------
    pairs : table
        Pairs ``a < b``.
    """
    inside = (block.read & block.frame.box).within(block.read)
    return {"pairs": touching_pairs(labels[inside])}
