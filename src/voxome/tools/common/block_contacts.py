"""Pairs of labels that touch at the faces of blocks."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.tools.common.touching import PAIRS


@tool("common.block_contacts", halo=((0, 0, 0), (1, 1, 1)), outputs={"pairs": PAIRS}, memory=memory_of(229_000_000, 24))
def block_contacts(labels: Annotated[NDArray[np.uint64], kinds.Labels()], *, block: BlockContext) -> dict[str, Rows]:
    """List the pairs of labels on both sides of the faces between a block and the blocks after it.

    Labels that touch inside a block are no pair: the program that made them knows that they are two.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        Labels, of which none is in two blocks; 0 is background.

    Returns
    -------
    pairs : table
        Pairs ``a < b``.
    """
    inside = block.read & block.frame.box
    voxels = labels[inside.within(block.read)]
    found = [np.empty((0, 2), np.uint64)]
    for axis, (length, all_) in enumerate(zip(block.write.shape, inside.shape, strict=True)):
        if all_ == length:
            continue
        low, high = (np.take(voxels, index, axis)[_cross(block.write.shape, axis)] for index in (length - 1, length))
        touching = (low != 0) & (high != 0)
        found.append(np.sort(np.stack([low[touching], high[touching]], axis=1), axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    return {"pairs": {"a": pairs[:, 0], "b": pairs[:, 1]}}


def _cross(shape: tuple[int, ...], axis: int) -> tuple[slice, ...]:
    return tuple(slice(n) for i, n in enumerate(shape) if i != axis)
