"""Vessels of a block and its surroundings, and their centre lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.contrast.tile_sums import count_from_zero
from voxome.tools.common.vessels.distance import distances
from voxome.tools.common.vessels.runs import find_runs
from voxome.tools.common.vessels.seams import LARGER_REACH
from voxome.tools.common.vessels.thinning import thin
from voxome.tools.common.vessels.tiles import Tiles

_LEVELS = 8
"""Levels of distance for each voxel along the axis with the smallest voxels."""
_MAX_LEVEL = 1 << 22
"""Level of voxels of which no background is known."""


def read_tiles(mask: NDArray[Any], block: BlockContext) -> Tiles:
    """Return what a block reads of a mask; beyond the box of the run there is nothing."""
    seen = block.read & block.frame.box
    return Tiles.of_runs(find_runs(mask[seen.within(block.read)] > 0, seen), seen)


def block_distances(tiles: Tiles, block: BlockContext) -> NDArray[np.float32]:
    """Return the distance of every slot to the background, which is exact for the voxels of the block.

    Raises
    ------
    InvalidInput
        If the background may be nearer beyond what the block reads, or there is none in the volume.
    """
    distance = distances(tiles, block.frame.scale_nm)
    slots = tiles.found()
    points = tiles.points(slots)
    own = ((points >= block.write.start) & (points < block.write.stop)).all(axis=1)
    known = _known_nm(points[own], tiles.box, block.frame)
    away = distance[slots[own]]
    if (np.isinf(away) & np.isinf(known)).any():
        raise InvalidInput(
            f"vessels fill the box {block.frame.box}, and have no background to measure their radius from; use a "
            "higher threshold, or a larger box"
        )
    if (wide := away > known).any():
        z, y, x = points[own][wide][0].tolist()
        raise InvalidInput(
            f"the vessel at voxel {z},{y},{x} (z, y, x) is wider than what is read around the block {block.write}: "
            f"expected background within {known[wide][0] / 1000:g} µm; {LARGER_REACH}, or a higher threshold"
        )
    return distance


def _known_nm(points: NDArray[np.int64], seen: Box, frame: Frame) -> NDArray[np.float64]:
    """Return how far voxels are from the nearest one of the volume that is not seen."""
    known = np.full(len(points), np.inf)
    sides = zip(points.T, seen.start, seen.stop, frame.box.start, frame.box.stop, frame.scale_nm, strict=True)
    for at, start, stop, first, last, size in sides:
        if start > first:
            known = np.minimum(known, (at - start + 1) * size)
        if stop < last:
            known = np.minimum(known, (stop - at) * size)
    return known


def thin_to_lines(
    tiles: Tiles, distance: NDArray[np.float32], kept: NDArray[np.int64], frame: Frame
) -> NDArray[np.int64]:
    """Thin vessels to lines of voxels, by their distance to the background.

    Parameters
    ----------
    tiles : Tiles
        The vessels, of which the lines stay.
    distance : (slots,) float32
        Distance of every slot to the background, in nm.
    kept : (n,) int64
        Slots at faces of the volume, to which lines lead.
    frame : Frame
        Frame of the run.

    Returns
    -------
    (2, slots) int64
        When every slot was deleted, as `thin` returns it: while those are kept, and then around those that end no line.
    """
    scaled = distance * (_LEVELS / min(frame.scale_nm))
    scaled += np.float32(1e-3)
    level = np.minimum(scaled, np.float32(_MAX_LEVEL)).astype(np.int32)
    del scaled
    origin = count_from_zero(tiles.box, frame).start
    times = np.zeros((2, len(level)), np.int64)
    thin(tiles, level, kept, origin, times[0])
    level[:] = 0
    thin(tiles, level, np.zeros(0, np.int64), origin, times[1])
    return times
