"""Rows of tables of positions near a block, without a look at the whole table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.table import ROW_GROUP, TableFile
from voxome.tools.common.density.grid import POSITION


def batches_near(table: TableFile, frame: Frame, box: Box) -> Iterator[Rows]:
    """Yield the rows of the row groups that may have positions in a box of voxels, a group at a time.

    Parameters
    ----------
    table : TableFile
        Table with the column ``z_nm``. The nearer it is to being sorted by it, as cells are, the less is read.
    frame : Frame
        Frame of the box.
    box : Box
        Voxels.

    Raises
    ------
    InvalidInput
        If all positions are outside of the volume of the frame.
    """
    _require_in_volume(table, frame)
    return table.batches(ROW_GROUP, np.flatnonzero(_reached(table, frame, box)).tolist())


def lines_near(table: TableFile, frame: Frame, box: Box) -> Iterator[Iterator[Rows]]:
    """Yield the rows of the row groups that may have a piece of a line in a box of voxels, by stretches of the table.

    Rows of different stretches are not next to each other in the table. A piece from the last row of a group to the
    first of the next is in the range of both.
    """
    near = _reached(table, frame, box)
    between = _reached(table, frame, box, joined=True)
    near[:-1] |= between
    near[1:] |= between
    groups = np.flatnonzero(near)
    for stretch in np.split(groups, np.flatnonzero(np.diff(groups) > 1) + 1):
        if len(stretch):
            yield table.batches(ROW_GROUP, stretch.tolist())


def _require_in_volume(table: TableFile, frame: Frame) -> None:
    for axis, name in enumerate(POSITION):
        if name not in table.columns or not len(table):
            continue
        ranges = table.group_ranges(name)
        lowest, highest = float(ranges[:, 0].min()), float(ranges[:, 1].max())
        offset, size = frame.offset_nm[axis], frame.scale_nm[axis]
        first, last = (offset + (end - 0.5) * size for end in (frame.domain.start[axis], frame.domain.stop[axis]))
        if highest < first or lowest > last:
            raise InvalidInput(
                f"{table.path} has {name} from {lowest:g} to {highest:g}, but the volume is from {first:g} to "
                f"{last:g} nm: give a table of this volume, in nm, or correct its voxel size or offset"
            )


def _reached(table: TableFile, frame: Frame, box: Box, *, joined: bool = False) -> NDArray[np.bool_]:
    """Return which row groups, or pairs of groups next to each other, reach a box along z."""
    low, high = table.group_ranges("z_nm").T
    if joined:
        low, high = np.minimum(low[:-1], low[1:]), np.maximum(high[:-1], high[1:])
    first, last = (frame.offset_nm[0] + end * frame.scale_nm[0] for end in (box.start[0] - 1, box.stop[0]))
    reached: NDArray[np.bool_] = (high >= first) & (low <= last)
    return reached
