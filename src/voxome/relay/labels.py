"""Ids of a channel of labels: which are there, and where they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import NotFound
from voxome.geometry import BlockGrid, Box
from voxome.relay.pyramid import CUBOID, Pyramid
from voxome.relay.voxels import Voxels

_BLOCK = (1, 32, 512, 512)


def ids_in(voxels: Voxels, pyramid: Pyramid, level: int, box: Box) -> NDArray[Any]:
    """The ids in `box`, ascending, without 0."""
    found = np.empty(0, pyramid.channel.datatype)
    for _, data in _blocks(voxels, pyramid, level, box):
        flat = data.ravel()
        starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        found = np.union1d(found, flat[np.r_[0, starts]])
    return found[found != 0]


def bounding_box(voxels: Voxels, pyramid: Pyramid, level: int, label: int, *, tight: bool) -> Box:
    """The smallest box (t, z, y, x) that holds every voxel of `label` at `level`.

    Parameters
    ----------
    tight : bool
        If false the box is made of whole cuboids of 16, 512, 512 voxels, which may leave the volume.

    Raises
    ------
    NotFound
        If there is no voxel of it.
    """
    spans: list[list[tuple[int, int]]] = []
    for box, data in _blocks(voxels, pyramid, level, pyramid.domain(level)):
        inside = data == label
        if inside.any():
            spans.append([_span(inside, axis, start) for axis, start in enumerate(box.start)])
    if not spans:
        raise NotFound(f"there is no id {label} at level {level} of {pyramid.channel.name}")
    start = tuple(min(span[axis][0] for span in spans) for axis in range(4))
    stop = tuple(max(span[axis][1] for span in spans) for axis in range(4))
    if tight:
        return Box(start, stop)
    units = (1, *CUBOID)
    return Box(
        tuple(a // n * n for a, n in zip(start, units, strict=True)),
        tuple(-(-b // n) * n for b, n in zip(stop, units, strict=True)),
    )


def _blocks(voxels: Voxels, pyramid: Pyramid, level: int, box: Box) -> Iterator[tuple[Box, NDArray[Any]]]:
    inside = box & pyramid.domain(level)
    if not inside.empty:
        for block in BlockGrid(pyramid.domain(level), _BLOCK, inside):
            yield block.write, voxels.read(pyramid, level, block.write)


def _span(inside: NDArray[np.bool_], axis: int, start: int) -> tuple[int, int]:
    others = tuple(other for other in range(inside.ndim) if other != axis)
    places = np.flatnonzero(inside.any(axis=others))
    return start + int(places[0]), start + int(places[-1]) + 1
