"""Joining of fragments across blocks: resolve exits over a tree of regions, in bounded memory.

An *exit* is a label whose voxel is outside the region where the label occurs (see `basins`). A tree of regions (a
block, 2x2x2 blocks, 4x4x4, ...) turns exits into roots level by level: a region resolves the exits that end inside it
and passes the rest on, so memory contains only exits through its outer faces. To relabel a block, apply the tables of
its ancestors, smallest first.

This resolves a forest of pointers hierarchically, by pointer jumping (Wyllie 1979) in every region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import in_box

Ids = NDArray[np.uint64]


class Resolved(NamedTuple):
    """Exits of a region.

    Attributes
    ----------
    keys, targets : (n,) uint64
        Exits that end inside the region, sorted, and their labels: roots, or exits of the region.
    outgoing : (m,) uint64
        Exits of the region, sorted, for its parent to resolve.
    """

    keys: Ids
    targets: Ids
    outgoing: Ids


def block_exits(labels: Ids, box: Box, domain: Box) -> Ids:
    """Return the exits of a block.

    Parameters
    ----------
    labels : (z, y, x) uint64
        Labels from `basins`.
    box : Box
        Write box of the block.
    domain : Box
        Domain of the ids.

    Returns
    -------
    (n,) uint64
        Distinct labels whose voxel is outside `box`, sorted.
    """
    distinct = _distinct(labels)
    return distinct[~in_box(distinct, box, domain)]


def resolve_region(outgoing: Sequence[Ids], lookup: Callable[[Ids], Ids], region: Box, domain: Box) -> Resolved:
    """Resolve the exits of a region's children among themselves.

    Parameters
    ----------
    outgoing : sequence of (n,) uint64
        Exits of each child.
    lookup : callable
        Maps sorted ids of voxels in the region to the labels that their child resolved: those in the voxel's block,
        with the tables of the block's ancestors below this region applied, smallest first.
    region : Box
        Box of all children.
    domain : Box
        Domain of the ids.

    Returns
    -------
    Resolved
        Table of this region, and its remaining exits.

    Raises
    ------
    CorruptData
        If an exit leads to a voxel without a label, or exits form a cycle, because blocks differ in heights.
    """
    exits = np.unique(np.concatenate([np.empty(0, np.uint64), *outgoing]))
    ends_here = in_box(exits, region, domain)
    keys = exits[ends_here]
    targets = lookup(keys) if len(keys) else keys
    if not targets.all():
        raise CorruptData(
            f"{np.count_nonzero(targets == 0)} of {len(keys)} exits into {region} lead to voxels without a "
            "label: the blocks there are not labelled, or from other heights; label them again"
        )
    return Resolved(keys, targets[_last(keys, targets, region)], exits[~ends_here])


def apply_lookup(labels: Ids, keys: Ids, targets: Ids) -> Ids:
    """Replace labels in `keys` (sorted) by their targets; keep the rest.

    Parameters
    ----------
    labels : uint64 array of any shape
        Labels.
    keys, targets : (n,) uint64
        Lookup table.

    Returns
    -------
    uint64 array of the shape of `labels`
        A new array.
    """
    out = np.ascontiguousarray(labels).copy()
    if len(keys):
        _replace(out.reshape(-1), keys, targets)
    return out


def relabel(labels: Ids, box: Box, domain: Box, tables: Iterable[tuple[Ids, Ids]]) -> Ids:
    """Apply the tables of the ancestors of a block to its labels, smallest region first.

    Parameters
    ----------
    labels : (z, y, x) uint64
        Labels of the block from `basins`.
    box, domain : Box
        Write box of the block, and domain of the ids.
    tables : iterable of (keys, targets)
        One table per level, applied to the distinct exits of the block only.

    Returns
    -------
    (z, y, x) uint64
        A new array; final if the last table is that of the region of all voxels.
    """
    exits = block_exits(labels, box, domain)
    targets = exits
    for keys, ends in tables:
        targets = apply_lookup(targets, keys, ends)
    return apply_lookup(labels, exits, targets)


def _last(keys: Ids, targets: Ids, region: Box) -> NDArray[np.intp]:
    """Return the last key on the path of every key."""
    if not len(keys):
        return np.empty(0, np.intp)
    position = np.minimum(np.searchsorted(keys, targets), len(keys) - 1)
    found = keys[position] == targets
    parent = np.where(found, position, np.arange(len(keys)))
    for _ in range(64):
        jumped = parent[parent]
        if np.array_equal(jumped, parent):
            return parent
        parent = jumped
    raise CorruptData(f"Exits in {region} form a cycle: blocks were labelled from different heights; label them again")


def _distinct(labels: Ids) -> Ids:
    """Return the sorted distinct labels except 0; drops runs first, as neighbours are mostly equal."""
    flat = labels.reshape(-1)
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    found: Ids = np.unique(np.concatenate([flat[:1], flat[starts]]))
    return found[int(not found.all()) :]


@numba.njit(cache=True, nogil=True)
def _replace(labels: Ids, keys: Ids, targets: Ids) -> None:
    seen, new = np.uint64(0), np.uint64(0)
    for i in range(labels.size):
        if labels[i] != seen:
            seen = new = labels[i]
            at = np.searchsorted(keys, seen)
            if at < keys.size and keys[at] == seen:
                new = targets[at]
        labels[i] = new
