"""A block of supervoxels and the halving of blocks to the next level."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from standins.dvid.calls import Xyz
from standins.dvid.codecs import label_block

Labels = NDArray[np.uint64]


class LabelBlock:
    """The supervoxels of one block, a (z, y, x) array that is never changed."""

    def __init__(self, voxels: Labels) -> None:
        self.voxels = voxels

    @cached_property
    def counts(self) -> dict[int, int]:
        """Voxels by supervoxel, without the background."""
        labels, counts = np.unique(self.voxels, return_counts=True)
        return {int(label): int(n) for label, n in zip(labels, counts, strict=True) if label}

    @cached_property
    def native(self) -> bytes:
        """The block as DVID encodes it."""
        return label_block.encode(self.voxels)

    def mapped(self, mapping: Mapping[int, int]) -> LabelBlock:
        """The block with some supervoxels replaced by others."""
        changes = {old: mapping[old] for old in self.counts if mapping.get(old, old) != old}
        if not changes:
            return self
        old = np.array(sorted(changes), np.uint64)
        new = np.array([changes[int(label)] for label in old], np.uint64)
        place = np.searchsorted(old, self.voxels).clip(max=len(old) - 1)
        return LabelBlock(np.where(old[place] == self.voxels, new[place], self.voxels))


def halved(voxels: Labels) -> Labels:
    """Halve every axis: the commonest label of eight voxels, background last, the smallest of equals.

    Parameters
    ----------
    voxels : (z, y, x) array of uint64
        Every axis even.

    Returns
    -------
    (z / 2, y / 2, x / 2) array of uint64
    """
    eight = np.stack([voxels[k::2, j::2, i::2] for k, j, i in product((0, 1), repeat=3)], axis=-1)
    votes = np.zeros(eight.shape, np.int8)
    for i in range(8):
        votes += eight == eight[..., i : i + 1]
    votes[eight == 0] = 0
    best = votes == votes.max(axis=-1, keepdims=True)
    return np.where(best, eight, np.iinfo(np.uint64).max).min(axis=-1)


def halve_into(low: Labels, octants: Mapping[Xyz, Labels]) -> Labels:
    """Replace those octants of a block for which there is a block of the level above; place and array of each."""
    out = low.copy()
    half = [n // 2 for n in low.shape[::-1]]
    for place, voxels in octants.items():
        x, y, z = (slice((i % 2) * n, (i % 2) * n + n) for i, n in zip(place, half, strict=True))
        out[z, y, x] = halved(voxels)
    return out
