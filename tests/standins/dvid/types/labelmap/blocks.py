"""Blocks of supervoxels, and their downsampling to the next level."""

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
    """Supervoxels of one block, an immutable (z, y, x) array."""

    def __init__(self, voxels: Labels) -> None:
        self.voxels = voxels

    @cached_property
    def counts(self) -> dict[int, int]:
        """Number of voxels by supervoxel, without the background."""
        labels, counts = np.unique(self.voxels, return_counts=True)
        return {int(label): int(n) for label, n in zip(labels, counts, strict=True) if label}

    @cached_property
    def native(self) -> bytes:
        """The block in DVID's encoding."""
        return label_block.encode(self.voxels)

    def map_labels(self, mapping: Mapping[int, int]) -> LabelBlock:
        """Return the block with supervoxels replaced."""
        changes = {old: mapping[old] for old in self.counts if mapping.get(old, old) != old}
        if not changes:
            return self
        old = np.array(sorted(changes), np.uint64)
        new = np.array([changes[int(label)] for label in old], np.uint64)
        row = np.searchsorted(old, self.voxels).clip(max=len(old) - 1)
        return LabelBlock(np.where(old[row] == self.voxels, new[row], self.voxels))


def halve(voxels: Labels) -> Labels:
    """Downsample by two: the most frequent label of eight voxels, background last; of ties, the smallest.

    Parameters
    ----------
    voxels : (z, y, x) array of uint64
        Even along every axis.

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
    """Replace octants of a block by downsampled blocks of the finer level, given by their coordinates."""
    out = low.copy()
    half = [n // 2 for n in low.shape[::-1]]
    for row, voxels in octants.items():
        x, y, z = (slice((i % 2) * n, (i % 2) * n + n) for i, n in zip(row, half, strict=True))
        out[z, y, x] = halve(voxels)
    return out
