"""Joining of fragments across blocks, over a tree of regions, in bounded memory."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import Region
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.source import VolumeView
from voxome.contracts.tool import memory_of
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import unpack
from voxome.tools.em.kernels.exits import apply_lookup, block_exits, resolve_region

LOOKUP = kinds.RegionTable({"id": "uint64", "root": "uint64"})
OUTGOING = kinds.RegionTable({"id": "uint64"})
Ids = NDArray[np.uint64]


@tool(
    "em.fragments_join",
    scope="regions",
    outputs={"lookup": LOOKUP, "outgoing": OUTGOING},
    memory=memory_of(150_000_000, 355),
)
def fragments_join(basins: Annotated[VolumeView, kinds.Labels()], *, region: Region) -> dict[str, Rows]:
    """Join fragments (supervoxels) across the blocks of a region.

    Exits of the region, where paths leave it, are passed on to its parent.

    Parameters
    ----------
    basins : volume of uint64
        Basins from ``em.fragments``.

    Returns
    -------
    lookup : table
        ``id``, an exit of a child that ends inside the region, and its ``root``: a root, or an exit of the region.
    outgoing : table
        ``id`` of the exits of the region.
    """
    domain = region.frame.domain
    if region.level == 0:
        exits = block_exits(basins.cutout(region.box), region.box, domain)
        none = np.empty(0, np.uint64)
        return {"lookup": {"id": none, "root": none}, "outgoing": {"id": exits}}
    parts, below = region.parts, region.level - 1
    outgoing = [parts.rows("outgoing", below, child)["id"] for child in region.children]
    resolved = resolve_region(outgoing, lambda ids: _labels_at(ids, basins, region), region.box, domain)
    return {"lookup": {"id": resolved.keys, "root": resolved.targets}, "outgoing": {"id": resolved.outgoing}}


def _labels_at(ids: Ids, basins: VolumeView, region: Region) -> Ids:
    """Return the labels of voxels as the children of the region resolved them."""
    points = unpack(ids, region.frame.domain)
    labels = np.empty(len(ids), np.uint64)
    parts = region.parts
    block_of = np.array([parts.index_at(0, point) for point in points.tolist()], np.int64)
    for block in np.unique(block_of):
        members = np.flatnonzero(block_of == block)
        found = _read_points(basins, points[members])
        for level in range(1, region.level):
            table = parts.rows("lookup", level, parts.index_at(level, points[members[0]].tolist()))
            found = apply_lookup(found, table["id"], table["root"])
        labels[members] = found
    return labels


def _read_points(volume: VolumeView, points: NDArray[np.int64]) -> Ids:
    """Read the voxels at `points`, plane by plane, as most are on faces of a block."""
    labels = np.empty(len(points), np.uint64)
    remaining = np.ones(len(points), bool)
    low, high = points.min(axis=0), points.max(axis=0)
    for axis in range(3):
        for index in {int(low[axis]), int(high[axis])}:
            members = np.flatnonzero(remaining & (points[:, axis] == index))
            if len(members):
                labels[members] = _read_within(volume, points[members])
                remaining[members] = False
    if remaining.any():
        labels[remaining] = _read_within(volume, points[remaining])
    return labels


def _read_within(volume: VolumeView, points: NDArray[np.int64]) -> Ids:
    box = Box(tuple(points.min(axis=0)), tuple(points.max(axis=0) + 1))
    labels: Ids = volume.cutout(box)[tuple((points - box.start).T)]
    return labels
