"""Join the fragments of blocks: resolve exits over a tree of regions, in bounded memory.

An *exit* is a label whose voxel lies outside the region that carries it (see `basins`). A tree of regions
(a block, 2x2x2 blocks, 4x4x4, ...) turns exits into roots level by level: a region resolves the exits that
end inside it and passes the others on, so only the exits through its outer faces are ever held. To relabel
a block, send its labels through the tables of its ancestors, smallest first.

The scheme is the hierarchical resolution of a forest of pointers; one pass of Wyllie's pointer jumping
(1979) per region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.tools.common.places import inside

Ids = NDArray[np.uint64]


class Resolved(NamedTuple):
    """What a region knows of exits.

    Attributes
    ----------
    keys, targets : (n,) uint64
        Exits that end inside the region, sorted, and the label each stands for: a root, or an exit of the
        region.
    outgoing : (m,) uint64
        Exits of the region, sorted: for its parent to resolve.
    """

    keys: Ids
    targets: Ids
    outgoing: Ids


def block_exits(labels: Ids, box: Box, domain: Box) -> Ids:
    """The exits of a block.

    Parameters
    ----------
    labels : (z, y, x) uint64
        What `basins` gave.
    box : Box
        The write box of the block.
    domain : Box
        The domain of the ids.

    Returns
    -------
    (n,) uint64
        Sorted distinct labels whose voxel lies outside `box`.
    """
    found = _distinct(labels)
    return found[~inside(found, box, domain)]


def resolve_region(outgoing: Sequence[Ids], lookup: Callable[[Ids], Ids], region: Box, domain: Box) -> Resolved:
    """Resolve the exits of a region's children among themselves.

    Parameters
    ----------
    outgoing : sequence of (n,) uint64
        The exits of each child.
    lookup : callable
        Given sorted ids of voxels in the region, their labels as the child that holds each knows them: read
        from that child's block, then sent through the tables of the block's ancestors below this region,
        smallest first.
    region : Box
        The voxels of all children.
    domain : Box
        The domain of the ids.

    Returns
    -------
    Resolved
        The table of this region, and the exits that are left.

    Raises
    ------
    CorruptData
        If an exit leads to a voxel without a label, or exits lead in a circle: then blocks disagree on the
        heights.
    """
    exits = np.unique(np.concatenate([np.empty(0, np.uint64), *outgoing]))
    here = inside(exits, region, domain)
    keys = exits[here]
    targets = lookup(keys) if len(keys) else keys
    if not targets.all():
        raise CorruptData(
            f"{np.count_nonzero(targets == 0)} of {len(keys)} exits into {region} lead to voxels without a "
            "label: the blocks there were not labelled, or from other heights; label them again"
        )
    return Resolved(keys, targets[_last(keys, targets, region)], exits[~here])


def apply_lookup(labels: Ids, keys: Ids, targets: Ids) -> Ids:
    """Replace every label found in `keys` (sorted) by its target; keep the others.

    Parameters
    ----------
    labels : uint64 array of any shape
        Labels.
    keys, targets : (n,) uint64
        The table.

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
    """Send a block's labels through the tables (keys, targets) of its ancestors, smallest region first.

    Parameters
    ----------
    labels : (z, y, x) uint64
        What `basins` gave for the block.
    box, domain : Box
        The write box of the block, the domain of the ids.
    tables : iterable of (keys, targets)
        One table a level; only the block's distinct exits are sent through them.

    Returns
    -------
    (z, y, x) uint64
        A new array; final if the last table is that of a region that holds every voxel.
    """
    exits = block_exits(labels, box, domain)
    targets = exits
    for keys, ends in tables:
        targets = apply_lookup(targets, keys, ends)
    return apply_lookup(labels, exits, targets)


def _last(keys: Ids, targets: Ids, region: Box) -> NDArray[np.intp]:
    """For every key the last key on its way."""
    if not len(keys):
        return np.empty(0, np.intp)
    place = np.minimum(np.searchsorted(keys, targets), len(keys) - 1)
    found = keys[place] == targets
    parent = np.where(found, place, np.arange(len(keys)))
    for _ in range(64):
        jumped = parent[parent]
        if np.array_equal(jumped, parent):
            return parent
        parent = jumped
    raise CorruptData(f"exits in {region} lead in a circle: its blocks were labelled from different heights")


def _distinct(labels: Ids) -> Ids:
    """Sorted distinct labels but 0; drops runs first, as neighbours mostly agree."""
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
