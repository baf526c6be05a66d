"""Proof that centre lines of blocks are those of the whole volume: neighbours have thinned alike where they meet.

Whether a voxel is deleted, and when, depends on those at most two voxels away and on when these were deleted. If the
runs of two blocks agree about the two voxels on either side of their common face, each voxel of a block was
deleted as it is when its surroundings are those that the other blocks have, and so as in one run over all voxels. What
is compared at a face is also two voxels wider than it, so that blocks that meet at an edge or a corner agree through
those between them.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.vessels.tiles import Tiles

DEPTH = 2
"""Voxels on either side of a face on which two blocks must agree."""
LARGER_REACH = "give a larger reach_um"
"""What to do if a block reads too little."""
SEAMS = kinds.Table(
    {"axis": "int64", "z": "int64", "y": "int64", "x": "int64", "lowest": "uint64", "highest": "uint64"},
    key=("axis", "z", "y", "x"),
    fold={"lowest": "min", "highest": "max"},
)
"""Digest of the times of deletion around every face between two blocks, which both have: the lower and the higher.

A face is known by the axis across it, and by the first voxel behind it.
"""


def seam_rows(tiles: Tiles, slots: NDArray[np.int64], times: NDArray[np.int64], block: BlockContext) -> Rows:
    """Return the rows of the faces of a block.

    Parameters
    ----------
    tiles : Tiles
        Box and slots of the mask.
    slots : (n,) int64
        Voxels of the mask before it was thinned.
    times : (2, slots) int64
        When they were deleted.
    block : BlockContext
        The block.
    """
    points, rows = tiles.points(slots), []
    for axis, (start, stop) in enumerate(zip(block.write.start, block.write.stop, strict=True)):
        for face in (start, stop):
            if block.frame.box.start[axis] < face < block.frame.box.stop[axis]:
                slab, corner = _slab(block, axis, face), list(block.write.start)
                corner[axis] = face
                near = ((points >= slab.start) & (points < slab.stop)).all(axis=1)
                if near.any():
                    rows.append((axis, *corner, *[_digest(points[near], times[:, slots[near]])] * 2))
    columns = list(zip(*rows, strict=True)) or [()] * len(SEAMS.columns)
    return {name: np.array(values, dtype) for (name, dtype), values in zip(SEAMS.columns.items(), columns, strict=True)}


def _slab(block: BlockContext, axis: int, face: int) -> Box:
    """Return the voxels around a face, as wide as the block and its surroundings up to `DEPTH`."""
    grown = block.write.grow((DEPTH,) * 3)
    start, stop = list(grown.start), list(grown.stop)
    start[axis], stop[axis] = face - DEPTH, face + DEPTH
    return Box(tuple(start), tuple(stop)) & block.frame.box


def _digest(points: NDArray[np.int64], times: NDArray[np.int64]) -> int:
    order = np.lexsort(points.T[::-1])
    digest = hashlib.blake2b(np.ascontiguousarray(times[:, order]).tobytes(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def require_agreement(seams: Rows) -> None:
    """Raise unless all blocks agree where they meet.

    Raises
    ------
    InvalidInput
        If two do not.
    """
    differ = np.flatnonzero(seams["lowest"] != seams["highest"])
    if len(differ):
        z, y, x = (int(seams[name][differ[0]]) for name in "zyx")
        raise InvalidInput(
            f"centre lines are not the same on both sides of {len(differ)} of {len(seams['z'])} faces between blocks, "
            f"such as that at voxel {z},{y},{x} (z, y, x), since vessels there are wider than reach_um allows for; "
            f"{LARGER_REACH}, or larger blocks"
        )
