"""Ids of annotation channels, and their bounding boxes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import NotFound
from voxome.geometry import BlockGrid, Box
from voxome.relay.dialects.boss.pyramid import CUBOID, Pyramid
from voxome.relay.dialects.boss.voxels import VoxelReader
from voxome.relay.look_ups import Abandoned

_MOST_VOXELS = 2**20
"""Voxels that are read at once where chunks are smaller: a cutout that comes meanwhile waits for no more than these."""


def ids_in(voxels: VoxelReader, pyramid: Pyramid, level: int, box: Box, gone: Event) -> NDArray[Any]:
    """Return the ids in `box`, ascending, without 0.

    Raises
    ------
    Abandoned
        As soon as `gone` is set.
    """
    ids = np.empty(0, pyramid.channel.datatype)
    for _, data in _blocks(voxels, pyramid, level, box, gone):
        flat = data.ravel()
        starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        ids = np.union1d(ids, flat[np.r_[0, starts]])
    return ids[ids != 0]


def bounding_box(voxels: VoxelReader, pyramid: Pyramid, level: int, label: int, gone: Event, *, tight: bool) -> Box:
    """Return the smallest box (t, z, y, x) that contains all voxels of `label` at `level`.

    Parameters
    ----------
    voxels : VoxelReader
        Reads the voxels of the channel.
    pyramid : Pyramid
        Levels of the annotation channel.
    level : int
        Level that is searched; 0 is the finest.
    label : int
        Id of the label.
    gone : Event
        Set when nobody waits for the result any longer.
    tight : bool
        If false, the box is enlarged to whole cuboids of 16, 512, 512 voxels, and may leave the volume.

    Raises
    ------
    NotFound
        If `label` does not occur at `level`.
    Abandoned
        As soon as `gone` is set.
    """
    spans: list[list[tuple[int, int]]] = []
    for box, data in _blocks(voxels, pyramid, level, pyramid.domain(level), gone):
        inside = data == label
        if inside.any():
            spans.append([_span(inside, axis, start) for axis, start in enumerate(box.start)])
    if not spans:
        raise NotFound(f"id {label} does not occur at level {level} of {pyramid.channel.name}")
    start = tuple(min(span[axis][0] for span in spans) for axis in range(4))
    stop = tuple(max(span[axis][1] for span in spans) for axis in range(4))
    box = Box(start, stop)
    return box if tight else box.snap((1, *CUBOID))


def _blocks(
    voxels: VoxelReader, pyramid: Pyramid, level: int, box: Box, gone: Event
) -> Iterator[tuple[Box, NDArray[Any]]]:
    inside = box & pyramid.domain(level)
    if not inside.empty:
        for block in BlockGrid(pyramid.domain(level), _grouped(voxels.chunk(pyramid, level)), inside):
            if gone.is_set():
                raise Abandoned
            yield block.write, voxels.read(pyramid, level, block.write)


def _grouped(chunk: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a block of chunks."""
    shape, axis = list(chunk), len(chunk) - 1
    while 2 * math.prod(shape) <= _MOST_VOXELS:
        shape[axis] *= 2
        axis = axis - 1 if axis > 1 else len(chunk) - 1
    return tuple(shape)


def _span(inside: NDArray[np.bool_], axis: int, start: int) -> tuple[int, int]:
    indices = np.flatnonzero(inside.any(axis=tuple(i for i in range(inside.ndim) if i != axis)))
    return start + int(indices[0]), start + int(indices[-1]) + 1
