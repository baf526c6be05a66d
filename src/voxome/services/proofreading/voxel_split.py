"""Division of the supervoxels of a segment in the voxels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.services.proofreading.chunk_edits import ChunkEdit, bounding_box, chunk_edits
from voxome.services.proofreading.coarse_split import CoarseSplit, cells_around, coarse_levels_of
from voxome.services.proofreading.graph_cut import CannotCut
from voxome.services.proofreading.mapping import Mapping, StoredIds
from voxome.services.proofreading.scan import CHUNK, chunk_box
from voxome.services.proofreading.voxels import StoredVoxels
from voxome.services.proofreading.watershed import A, B, divide, is_parted

MOST_VOXELS = 1 << 26
"""Voxels of a region that is divided, for which about 3 GB of memory are needed."""


@dataclass(frozen=True, eq=False)
class VoxelSplit:
    """Division of a segment in the voxels.

    Attributes
    ----------
    moved : list of int
        Supervoxels that are on side b as a whole.
    divided : dict
        Supervoxel with voxels on both sides → the ids in its voxels.
    whole : set of int
        Ids in the voxels of divided supervoxels that are on side b as a whole.
    parents : list of int
        Ids in the voxels that are divided; the n-th new id is the part of the n-th on side b.
    chunks : list of ChunkEdit
        What is written.
    contacts : set of (int, int, int, int)
        Pairs of supervoxels that share a face, each with its side (1 or 2).
    """

    moved: list[int]
    divided: dict[int, set[int]]
    whole: set[int]
    parents: list[int]
    chunks: list[ChunkEdit] = field(repr=False)
    contacts: set[tuple[int, int, int, int]] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Region:
    """Ids in the voxels around a segment; 0 in chunks that it does not reach."""

    box: Box
    ids: NDArray[np.uint64]
    mask: NDArray[np.bool_]


def root_of(tree: StoredIds, id: int) -> int:
    """Return the supervoxel at the start whose voxels an id has."""
    while id in tree.parents:
        id = tree.parents[id]
    return id


def read_region(
    voxels: StoredVoxels, connection: sa.Connection, chunks: Iterable[int], stored: set[int], box: Box | None
) -> Region:
    """Read the chunks that a segment may reach.

    Parameters
    ----------
    voxels : StoredVoxels
        Level 0.
    connection : sqlalchemy.Connection
        The state to read.
    chunks : iterable of int
        Numbers of the chunks.
    stored : set of int
        Ids in the voxels of the segment.
    box : Box, optional
        Part to read.

    Raises
    ------
    InvalidInput
        If it is too large.
    """
    domain = voxels.source.spec.domain
    boxes = [chunk_box(number, domain, CHUNK) for number in chunks]
    extent = Box(
        tuple(min(one.start[axis] for one in boxes) for axis in range(3)),
        tuple(max(one.stop[axis] for one in boxes) for axis in range(3)),
    )
    extent = extent if box is None else extent & box
    if extent.size > MOST_VOXELS:
        raise InvalidInput(
            f"the segment reaches over {extent}, {extent.size:,} voxels; at most {MOST_VOXELS:,} are divided at once: "
            "give box=, outside which supervoxels stay whole"
        )
    ids = np.zeros(extent.shape, np.uint64)
    for one in boxes:
        part = one & extent
        if not part.empty:
            ids[part.within(extent)] = voxels.read(part, connection)
    whole = Region(extent, ids, np.isin(ids, np.array(sorted(stored), np.uint64)))
    return _crop(whole, max((max(scale) for _, scale in coarse_levels_of(voxels.source)), default=1))


def _crop(region: Region, margin: int) -> Region:
    """Return the part of a region around the segment."""
    if not region.mask.any():
        return region
    tight = bounding_box(region.mask, region.box).grow((margin,) * 3) & region.box
    inner = tight.within(region.box)
    return Region(tight, region.ids[inner], region.mask[inner])


def split_voxels(
    source: VolumeSource,
    connection: sa.Connection,
    region: Region,
    mapping: Mapping,
    points_a: NDArray[np.int64],
    points_b: NDArray[np.int64],
    *,
    contacts: bool,
) -> VoxelSplit:
    """Divide a segment by a watershed between points.

    Parameters
    ----------
    source : VolumeSource
        The supervoxels at the start.
    connection : sqlalchemy.Connection
        The state to read.
    region : Region
        The segment.
    mapping : Mapping
        The mapping now.
    points_a, points_b : (n, 3) array of int
        Voxels of the sides, in the store's coordinates.
    contacts : bool
        Whether to find out which supervoxels touch.

    Raises
    ------
    CannotCut
        If points of one side would be parted.
    """
    seeds_a, seeds_b = (points - np.array(region.box.start) for points in (points_a, points_b))
    sides = divide(region.mask, seeds_a, seeds_b, source.spec.voxel_size_nm)
    is_b = sides == B
    for name, side, seeds in (("a", region.mask & ~is_b, seeds_a), ("b", is_b, seeds_b)):
        if is_parted(region.mask, side, seeds):
            raise CannotCut(f"the watershed parts the points of side {name} from each other; give fewer points")
    on_b = np.unique(region.ids[is_b]).tolist()
    on_a = set(np.unique(region.ids[region.mask & ~is_b]).tolist())
    supervoxels = {one: mapping.stored_ids(one) for one in {mapping.supervoxel_of(id) for id in on_b}}
    divided = {one: ids for one, ids in supervoxels.items() if ids & on_a}
    parts = [id for ids in divided.values() for id in sorted(ids) if id in on_b]
    parents = [id for id in parts if id in on_a]
    new = np.zeros(region.box.shape, np.int32)
    for number, id in enumerate(parents, 1):
        new[is_b & (region.ids == id)] = number
    split = VoxelSplit(
        moved=sorted(set(supervoxels) - set(divided)),
        divided=divided,
        whole=set(parts) - set(parents),
        parents=parents,
        chunks=list(chunk_edits(source.spec.domain, 0, region.box, new)),
        contacts=_contacts(region, is_b, mapping) if contacts else set(),
    )
    if not new.any():
        return split
    touched = bounding_box(new > 0, region.box)
    cells = cells_around(source, touched)
    inside = cells in region.box
    ids = region.ids[cells.within(region.box)] if inside else StoredVoxels(source).read(cells, connection)
    on_b = np.isin(ids, np.array(sorted(split.whole), np.uint64))
    on_b[touched.within(cells)] |= new[touched.within(region.box)] > 0
    coarse = CoarseSplit(cells, ids, on_b, list(divided.values()), parents)
    return replace(split, chunks=[*split.chunks, *coarse.chunk_edits(source, connection, touched)])


def _contacts(region: Region, is_b: NDArray[np.bool_], mapping: Mapping) -> set[tuple[int, int, int, int]]:
    contacts = set()
    stored, inverse = np.unique(region.ids, return_inverse=True)
    labels = inverse.reshape(region.ids.shape) * 2 + is_b
    for axis in range(3):
        low, high = (np.moveaxis(labels, axis, 0)[cut].ravel() for cut in (slice(None, -1), slice(1, None)))
        touching = low != high
        pairs = np.unique(np.column_stack([low[touching], high[touching]]), axis=0)
        for one, other in pairs.tolist():
            first, second = (int(stored[label // 2]) for label in (one, other))
            if first and second:
                ends = (mapping.supervoxel_of(first), one % 2 + A, mapping.supervoxel_of(second), other % 2 + A)
                contacts |= {ends, (*ends[2:], *ends[:2])}
    return contacts
