"""Distances of cells to other cells, to vessels and to faces."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Parameters, Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.density.grid import NM_PER_UM, DensityGrid, inside, positions_of
from voxome.tools.common.density.near import batches_near
from voxome.tools.common.density_sums import voxel_size_problems
from voxome.tools.common.faces import long_axes
from voxome.tools.common.gaps import NO_DATA
from voxome.tools.common.unsigned_labels import unsigned_labels

CELLS_WITH_ID = kinds.Table({"id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64"}, key=("id",))
DISTANCES = kinds.Table(
    {"id": "uint64", "other_um": "float64", "vessel_um": "float64", "face_um": "float64", "region": "uint64"},
    key=("id",),
)


def _halo(parameters: Parameters, scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    z, y, x = (int(np.ceil(parameters["reach_um"] * NM_PER_UM / size)) + 1 for size in scale_nm)
    return z, y, x


@tool(
    "common.cell_distances",
    halo=_halo,
    outputs=DISTANCES,
    check=voxel_size_problems,
    memory=memory_of(200_000_000, 24),
)
def cell_distances(
    tissue: Annotated[NDArray[Any], kinds.Image()],
    cells: Annotated[TableFile, CELLS_WITH_ID],
    vessels: Annotated[NDArray[Any] | None, kinds.Image()] = None,
    regions: Annotated[NDArray[Any] | None, kinds.Regions()] = None,
    *,
    reach_um: Annotated[float, Gt(0)] = 100.0,
    block: BlockContext,
) -> Rows:
    """Measure the distances of each cell in tissue to the nearest other cell, vessel and face.

    Parameters
    ----------
    tissue : (z, y, x) array
        Tissue map, as from common.tissue; cells where it is 0 are left out.
    cells : table
        Cells, with the columns id, z_nm, y_nm, x_nm.
    vessels : (z, y, x) array, optional
        Mask of vessels; not 0 inside.
    regions : (z, y, x) array of integers, optional
        Regions, such as those of an atlas, as for ``common.density_sums``.
    reach_um : float
        Largest distance to another cell or a vessel that is looked for, in micrometres.

    Returns
    -------
    table
        For each id in micrometres: ``other_um`` between centres, ``vessel_um`` from the centre to the centre of the
        nearest voxel of a vessel, 0 inside, both NaN beyond reach, and ``face_um`` to the nearest face of the box of
        the run, within which a nearer neighbour may be missing; a section has none above and below. ``region`` is that
        of the centre.
    """
    frame = block.frame
    region = block.read & frame.box
    grid, seen = DensityGrid((1, 1, 1), frame), region.within(block.read)
    known = tissue[seen] != NO_DATA
    parts: list[Rows] = []
    for rows in batches_near(cells, frame, region):
        index = grid.voxels_of(positions_of(rows))
        here = inside(index, region)
        here[here] = known[_at(index[here], region)]
        parts.append({name: rows[name][here] for name in CELLS_WITH_ID.columns})
    near = {name: np.concatenate([part[name] for part in parts]) for name in CELLS_WITH_ID.columns} if parts else {}
    if not near:
        return {name: np.empty(0, dtype) for name, dtype in DISTANCES.columns.items()}
    position = positions_of(near)
    index = grid.voxels_of(position)
    own = np.flatnonzero(inside(index, block.write))
    reach = reach_um * NM_PER_UM
    place = _at(index[own], region)
    vessel = np.full(len(own), np.nan)
    if vessels is not None and len(own):
        vessel = _to_vessels(vessels[seen] != 0, position[own], place, region, frame, reach)
    return {
        "id": near["id"][own],
        "other_um": _to_others(position, own, reach) / NM_PER_UM,
        "vessel_um": vessel / NM_PER_UM,
        "face_um": _to_faces(position[own], frame) / NM_PER_UM,
        "region": np.zeros(len(own), np.uint64)
        if regions is None
        else unsigned_labels(regions[seen])[place].astype(np.uint64),
    }


def _at(index: NDArray[np.int64], box: Box) -> tuple[NDArray[np.int64], ...]:
    return tuple((index - np.array(box.start)).T)


def _to_others(position: NDArray[np.float64], own: NDArray[np.int64], reach: float) -> NDArray[np.float64]:
    """Return the distance to the nearest other cell; another one at the same place is at 0."""
    if len(position) < 2 or not len(own):
        return np.full(len(own), np.nan)
    distance, row = KDTree(position).query(position[own], k=2)
    other = np.where(row[:, 0] == own, distance[:, 1], distance[:, 0])
    return np.where(other <= reach, other, np.nan)


def _to_vessels(
    vessels: NDArray[np.bool_],
    position: NDArray[np.float64],
    place: tuple[NDArray[np.int64], ...],
    region: Box,
    frame: Frame,
    reach: float,
) -> NDArray[np.float64]:
    surface = np.argwhere(vessels & ~_surrounded(vessels))
    if not len(surface):
        return np.full(len(position), np.nan)
    centres = np.array(frame.offset_nm) + (surface + np.array(region.start)) * np.array(frame.scale_nm)
    distance, _ = KDTree(centres).query(position)
    distance[vessels[place]] = 0
    return np.where(distance <= reach, distance, np.nan)


def _surrounded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels inside whose six neighbours are inside as well; those at the faces of the array are not."""
    result = np.zeros_like(mask)
    if min(mask.shape) > 2:
        middle = (slice(1, -1),) * 3
        result[middle] = mask[middle]
        for axis in range(3):
            for shift in (slice(None, -2), slice(2, None)):
                neighbour = tuple(shift if one == axis else slice(1, -1) for one in range(3))
                result[middle] &= mask[neighbour]
    return result


def _to_faces(position: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    offset, size = np.array(frame.offset_nm), np.array(frame.scale_nm)
    first = offset + (np.array(frame.box.start) - 0.5) * size
    last = offset + (np.array(frame.box.stop) - 0.5) * size
    to_faces = np.minimum(position - first, last - position)[:, long_axes(frame.box.shape)]
    nearest: NDArray[np.float64] = to_faces.min(axis=1, initial=np.inf)
    return nearest
