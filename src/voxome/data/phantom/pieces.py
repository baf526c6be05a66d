"""Blockwise numbering of the connected pieces of neurons in a finite volume."""

from __future__ import annotations

from collections.abc import Callable

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.geometry import Block, Box

MIN_VOXELS = 50
"""Minimum size of a piece; smaller ones get label 0."""

ReadPlane = Callable[[Box], NDArray[np.uint64]]


class Pieces:
    """Pieces of neurons, collected block by block and numbered at the end.

    Pieces of a neuron that touch across a block face are joined. Numbers start at 1, in the order of first voxels, so
    they do not depend on the blocks. Memory grows with the number of pieces.

    Parameters
    ----------
    domain : Box
        Domain of the volume (z, y, x).
    """

    def __init__(self, domain: Box) -> None:
        self.domain = domain
        self._count = 0
        self._keys = np.zeros(1024, np.uint64)
        self._firsts: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        self._sizes: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        self._joined: list[NDArray[np.int64]] = []

    def add(self, block: Block, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return provisional numbers for the pieces of one block, unique over all blocks added so far."""
        local, count = cc3d.connected_components(keys, connectivity=6, return_N=True, out_dtype=np.uint32)
        _, first, size = np.unique(local, return_index=True, return_counts=True)
        z, y, x = (i + a for i, a in zip(np.unravel_index(first, keys.shape), block.write.start, strict=True))
        self._firsts.append(np.ravel_multi_index((z, y, x), self.domain.shape).astype(np.int64))
        self._sizes.append(size)
        offset = self._count
        self._count += int(count)
        if self._count >= len(self._keys):
            self._keys = np.concatenate([self._keys, np.zeros(len(self._keys) + int(count), np.uint64)])
        self._keys[offset + 1 : self._count + 1] = keys.ravel()[first]
        return np.asarray(local, np.uint64) + np.uint64(offset)

    def join(self, block: Block, numbered: NDArray[np.uint64], read: ReadPlane) -> None:
        """Join the pieces of a block to those of the previous block along each axis, whose faces `read` returns."""
        for axis in range(3):
            if block.write.start[axis] == self.domain.start[axis]:
                continue
            start, stop = list(block.write.start), list(block.write.stop)
            start[axis], stop[axis] = start[axis] - 1, start[axis]
            low = read(Box(tuple(start), tuple(stop))).ravel().astype(np.int64)
            high = np.take(numbered, [0], axis=axis).ravel().astype(np.int64)
            same = self._keys[low] == self._keys[high]
            if same.any():
                self._joined.append(np.unique(np.stack([low[same], high[same]]), axis=1))

    def numbers(self) -> NDArray[np.uint64]:
        """Return the final number, from 1, or 0 for small pieces, of every provisional number."""
        total = self._count + 1
        pairs = np.concatenate([np.zeros((2, 0), np.int64), *self._joined], axis=1)
        graph = coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape=(total, total))
        count, group = connected_components(graph, directed=False)
        size, first = np.zeros(count, np.int64), np.full(count, np.iinfo(np.int64).max)
        np.add.at(size, group, np.concatenate(self._sizes))
        np.minimum.at(first, group, np.concatenate(self._firsts))
        kept = np.flatnonzero(size >= MIN_VOXELS)
        final = np.zeros(count, np.uint64)
        final[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1, dtype=np.uint64)
        return final[group]
