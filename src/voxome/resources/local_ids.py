"""Labels and their bounding boxes from the voxels of a volume, block by block, where its store has no index of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import NegativeLabel, NotFound
from voxome.geometry import BlockGrid, Box

BLOCK_VOXELS = 1 << 23
"""Voxels of a block, unless a chunk has more."""


def find_ids(source: VolumeSource, name: str, region: Box) -> NDArray[np.uint64]:
    """Return the labels in a box, sorted, without 0.

    Raises
    ------
    InvalidInput
        If there is a negative label; the message has `name`.
    """
    found = np.empty(0, np.uint64)
    for block in _blocks(source, region):
        voxels = source.read(block).ravel(order="K")
        changes = np.flatnonzero(voxels[1:] != voxels[:-1]) + 1
        ids = np.unique(np.concatenate([voxels[:1], voxels[changes]]))
        require_positive(ids, name)
        found = np.union1d(found, ids.astype(np.uint64))
    return found[found != 0]


def find_bounding_box(source: VolumeSource, name: str, label: int) -> Box:
    """Return the smallest box that contains all voxels of a label.

    Blocks that lie within what is already known of the box are not read.

    Raises
    ------
    NotFound
        If no voxel has the label; the message has `name`.
    InvalidInput
        If a voxel that was read has a negative label.
    """
    found: Box | None = None
    dtype = source.spec.dtype
    possible = 0 <= label <= (1 if dtype.kind == "b" else np.iinfo(dtype).max)
    for block in _blocks(source, source.spec.domain) if possible else ():
        if found is not None and block in found:
            continue
        voxels = source.read(block)
        require_positive(voxels, name)
        inside = _extent(voxels == dtype.type(label))
        if inside is not None:
            part = inside.shift(block.start)
            found = part if found is None else _hull(found, part)
    if found is None:
        raise NotFound(f"{name} has no label {label}; its `ids()` are the labels that it has")
    return found


def require_positive(labels: NDArray[Any], name: str) -> None:
    """Check that no label is negative.

    Raises
    ------
    NegativeLabel
    """
    if labels.dtype.kind == "i" and labels.size and (least := int(labels.min())) < 0:
        raise NegativeLabel(f"{name} has the label {least}; expected labels of at least 0, which is background")


def blocks_of(source: VolumeSource, region: Box, halo: int = 0) -> BlockGrid:
    """Return blocks of complete chunks that tile a box, and that fit memory easily; they grow from the last axis.

    Parameters
    ----------
    source : VolumeSource
        What will be read.
    region : Box
        What the blocks tile; it has voxels.
    halo : int
        Voxels to read beyond the high sides of a block, in `region`.
    """
    spec = source.spec
    block = list(spec.read_chunk or (1,) * region.ndim)
    for axis in reversed(range(region.ndim)):
        fits = BLOCK_VOXELS // int(np.prod(block))
        block[axis] *= max(1, min(-(-region.shape[axis] // block[axis]), fits))
    sides = ((0,) * region.ndim, (halo,) * region.ndim)
    return BlockGrid(region, tuple(block), halo=sides, anchor=spec.domain.start)


def _blocks(source: VolumeSource, region: Box) -> Iterator[Box]:
    return (block.write for block in blocks_of(source, region)) if not region.empty else iter(())


def _extent(mask: NDArray[np.bool_]) -> Box | None:
    """Return the bounding box of what is true; None if nothing is."""
    start, stop = [], []
    for axis in range(mask.ndim):
        along = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if not along.size:
            return None
        start.append(int(along[0]))
        stop.append(int(along[-1]) + 1)
    return Box(tuple(start), tuple(stop))


def _hull(one: Box, other: Box) -> Box:
    return Box(tuple(map(min, one.start, other.start)), tuple(map(max, one.stop, other.stop)))
