"""Where paths lead that leave their block: resolved over a tree of regions, so that memory stays bounded."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import Region
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.source import VolumeView
from voxome.geometry import Box
from voxome.tools.common.places import unpack
from voxome.tools.em.kernels.exits import apply_lookup, block_exits, resolve_region

LOOKUP = kinds.RegionTable({"id": "uint64", "root": "uint64"})
OUTGOING = kinds.RegionTable({"id": "uint64"})
Ids = NDArray[np.uint64]


@tool("em.fragments_join", scope="regions", outputs={"lookup": LOOKUP, "outgoing": OUTGOING})
def fragments_join(basins: Annotated[VolumeView, kinds.Labels()], *, region: Region) -> dict[str, Rows]:
    """Resolve the exits of a region's children among themselves; keep those of the region for its parent.

    Parameters
    ----------
    basins : volume of uint64
        What ``em.fragments`` made.

    Returns
    -------
    lookup : table
        ``id``, an exit that ends inside the region, and its ``root``: a root, or an exit of the region.
    outgoing : table
        ``id``, the exits of the region.
    """
    domain = region.frame.domain
    if region.level == 0:
        exits = block_exits(basins.cutout(region.box), region.box, domain)
        none = np.empty(0, np.uint64)
        return {"lookup": {"id": none, "root": none}, "outgoing": {"id": exits}}
    parts, below = region.parts, region.level - 1
    outgoing = [parts.rows("outgoing", below, child)["id"] for child in region.children]
    found = resolve_region(outgoing, lambda ids: _labels_at(ids, basins, region), region.box, domain)
    return {"lookup": {"id": found.keys, "root": found.targets}, "outgoing": {"id": found.outgoing}}


def _labels_at(ids: Ids, basins: VolumeView, region: Region) -> Ids:
    """The labels of voxels, as the region's children know them."""
    points = unpack(ids, region.frame.domain)
    labels = np.empty(len(ids), np.uint64)
    parts = region.parts
    block_of = np.array([parts.index_at(0, point) for point in points.tolist()], np.int64)
    for block in np.unique(block_of):
        mine = np.flatnonzero(block_of == block)
        found = _read_points(basins, points[mine])
        for level in range(1, region.level):
            table = parts.rows("lookup", level, parts.index_at(level, points[mine[0]].tolist()))
            found = apply_lookup(found, table["id"], table["root"])
        labels[mine] = found
    return labels


def _read_points(volume: VolumeView, points: NDArray[np.int64]) -> Ids:
    """The voxels at `points`, of which most lie on faces of a block: read plane by plane."""
    labels = np.empty(len(points), np.uint64)
    waiting = np.ones(len(points), bool)
    low, high = points.min(axis=0), points.max(axis=0)
    for axis in range(3):
        for place in {int(low[axis]), int(high[axis])}:
            mine = np.flatnonzero(waiting & (points[:, axis] == place))
            if len(mine):
                labels[mine] = _read_within(volume, points[mine])
                waiting[mine] = False
    if waiting.any():
        labels[waiting] = _read_within(volume, points[waiting])
    return labels


def _read_within(volume: VolumeView, points: NDArray[np.int64]) -> Ids:
    box = Box(tuple(points.min(axis=0)), tuple(points.max(axis=0) + 1))
    found: Ids = volume.cutout(box)[tuple((points - box.start).T)]
    return found
