"""Blocks with a layer of voxels beyond them, from stores whose chunks are expensive to decode: each is read once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.geometry import Box
from voxome.resources.local_ids import blocks_of

_KEPT_BYTES = 512 << 20
"""Memory for layers; beyond it, the oldest are dropped, and read again when they are needed."""


class Layers:
    """The blocks of a box, each with one layer of voxels beyond its high side along every axis.

    Blocks come in reverse order, so that the layers beyond a block are known from the blocks that came before. Voxels
    beyond two or three sides at once are 0.

    Parameters
    ----------
    source : VolumeSource
        What is read.
    region : Box
        What the blocks tile; there are no layers beyond it.
    """

    def __init__(self, source: VolumeSource, region: Box) -> None:
        self._source, self._region = source, region
        self._kept: dict[tuple[int, Box], NDArray[Any]] = {}
        self._bytes = 0

    def __iter__(self) -> Iterator[tuple[Box, NDArray[Any]]]:
        """Yield the box of every block, and its voxels with the layers."""
        halo = 0 if self._source.spec.read_chunk else 1
        grid = blocks_of(self._source, self._region, halo)
        for index in reversed(range(len(grid))):
            block = grid[index]
            yield block.write, self._source.read(block.read) if halo else self._read(block.write)

    def _read(self, block: Box) -> NDArray[Any]:
        voxels = self._source.read(block)
        sides = [stop < last for stop, last in zip(block.stop, self._region.stop, strict=True)]
        read = np.zeros([n + side for n, side in zip(block.shape, sides, strict=True)], voxels.dtype)
        read[tuple(slice(n) for n in block.shape)] = voxels
        for axis, side in enumerate(sides):
            inside: list[slice | int] = [slice(n) for n in block.shape]
            if side:
                inside[axis] = slice(-1, None)
                read[tuple(inside)] = self._take(axis, _layer(block, axis, block.stop[axis]))
            if block.start[axis] > self._region.start[axis]:
                inside[axis] = slice(1)
                self._keep(axis, _layer(block, axis, block.start[axis]), voxels[tuple(inside)].copy())
        return read

    def _take(self, axis: int, layer: Box) -> NDArray[Any]:
        known = self._kept.pop((axis, layer), None)
        if known is None:
            return self._source.read(layer)
        self._bytes -= known.nbytes
        return known

    def _keep(self, axis: int, layer: Box, voxels: NDArray[Any]) -> None:
        self._kept[axis, layer] = voxels
        self._bytes += voxels.nbytes
        while self._bytes > _KEPT_BYTES:
            self._take(*next(iter(self._kept)))


def _layer(block: Box, axis: int, at: int) -> Box:
    """Return the layer of a block, or beyond it, at an index along an axis."""
    start, stop = list(block.start), list(block.stop)
    start[axis], stop[axis] = at, at + 1
    return Box(tuple(start), tuple(stop))
