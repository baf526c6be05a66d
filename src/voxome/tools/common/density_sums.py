"""Cells, tissue and vessels of the cells of a grid and of regions, in one pass over the blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.geometry import Box
from voxome.kinds.merge import Fold
from voxome.resources.rows import combine, concatenate
from voxome.resources.table import TableFile
from voxome.tools.common.density.grid import DensityGrid, cell_indices, grid_factors, inside, positions_of
from voxome.tools.common.density.near import batches_near
from voxome.tools.common.gaps import NO_DATA
from voxome.tools.common.unsigned_labels import unsigned_labels

CELLS = kinds.Table({"z_nm": "float64", "y_nm": "float64", "x_nm": "float64"}, key=())
"""Positions of cells, as an input."""
_COUNTS = ("voxels", "tissue", "examined", "vessels", "cells", "cells_without_tissue")
_FOLD: dict[str, Fold] = dict.fromkeys(_COUNTS, "sum")
_DTYPES = dict.fromkeys(_COUNTS, "int64")
GRID_TABLE = kinds.Table({"z": "int64", "y": "int64", "x": "int64", **_DTYPES}, key=("z", "y", "x"), fold=_FOLD)
REGION_TABLE = kinds.Table({"region": "uint64", **_DTYPES}, key=("region",), fold=_FOLD)


def voxel_size_problems(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    """Yield why densities cannot be computed: the voxel size is unknown."""
    if specs["tissue"].voxel_size_nm is None:
        yield UNKNOWN_VOXEL_SIZE


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    yield from voxel_size_problems(specs, parameters)
    if "regions" in specs and specs["regions"].dtype.kind not in "iu":
        yield f"regions are {specs['regions'].dtype}; expected integers"


@tool(
    "common.density_sums",
    outputs={"grid": GRID_TABLE, "regions": REGION_TABLE},
    check=_problems,
    memory=memory_of(170_000_000, 30),
)
def density_sums(
    tissue: Annotated[NDArray[Any], kinds.Image()],
    cells: Annotated[TableFile, CELLS],
    vessels: Annotated[NDArray[Any] | None, kinds.Image()] = None,
    regions: Annotated[NDArray[Any] | None, kinds.Regions()] = None,
    *,
    grid_um: Annotated[float, Gt(0)] = 50.0,
    block: BlockContext,
) -> dict[str, Rows]:
    """Count the cells, and the voxels of tissue and vessels, in each cell of a grid and in each region.

    Parameters
    ----------
    tissue : (z, y, x) array
        Tissue map, as from common.tissue; 0 where there are no data.
    cells : table
        Cells, with the columns z_nm, y_nm, x_nm. Those outside the box of the run are not counted.
    vessels : (z, y, x) array, optional
        Mask of vessels; not 0 inside.
    regions : (z, y, x) array of integers, optional
        Regions, such as those of an atlas; 0 is outside of all. They cover the whole tissue map; if their voxels have
        another size, each voxel has the value of the nearest.
    grid_um : float
        Edge of a cell of the grid in micrometres; it is rounded to whole voxels.

    Returns
    -------
    grid : table
        For each cell z, y, x of the grid: all voxels, those of tissue, those of tissue where vessels are known, and of
        vessels in it; cells in tissue, and cells where there is none.
    regions : table
        The same for each region; region 0 is what is outside of all.
    """
    frame, box = block.frame, block.write
    seen = box.within(block.read)
    known = tissue[seen] != NO_DATA
    mask = None if vessels is None else vessels[seen] != 0
    index = _voxels_in(cells, DensityGrid((1, 1, 1), frame), box)
    grid = DensityGrid(grid_factors(grid_um, frame.scale_nm), frame)
    in_tissue = known[tuple((index - np.array(box.start)).T)]
    examined = np.zeros_like(known) if mask is None else known
    found = {
        "voxels": grid.sums(np.ones_like(known), box),
        "tissue": grid.sums(known, box),
        "examined": grid.sums(examined, box),
        "vessels": grid.sums(examined if mask is None else known & mask, box),
        "cells": grid.counts(index[in_tissue], box),
        "cells_without_tissue": grid.counts(index[~in_tissue], box),
    }
    z, y, x = cell_indices(box.coarsen(grid.factors)).T
    rows = {"z": z, "y": y, "x": x, **{name: values.reshape(-1) for name, values in found.items()}}
    labels = None if regions is None else unsigned_labels(regions[seen])
    voxels = {"tissue": known, "examined": examined, "vessels": examined if mask is None else known & mask}
    return {"grid": rows, "regions": _region_rows(labels, voxels, index - np.array(box.start), in_tissue)}


def _voxels_in(cells: TableFile, grid: DensityGrid, box: Box) -> NDArray[np.int64]:
    """Return the voxels (n, 3) of the cells that are in a box; memory holds a batch of the table."""
    parts = [np.empty((0, 3), np.int64)]
    for rows in batches_near(cells, grid.frame, box):
        index = grid.voxels_of(positions_of(rows))
        parts.append(index[inside(index, box)])
    return np.concatenate(parts)


def _region_rows(
    labels: NDArray[Any] | None,
    voxels: Mapping[str, NDArray[np.bool_]],
    index: NDArray[np.int64],
    in_tissue: NDArray[np.bool_],
) -> Rows:
    """Return the counts of each region of a block, section by section; without labels, of region 0."""
    parts: list[Rows] = []
    for z in range(len(voxels["tissue"])):
        here = index[:, 0] == z
        masks = {name: mask[z] for name, mask in voxels.items()}
        section = np.zeros(masks["tissue"].shape, np.uint64) if labels is None else labels[z]
        parts.append(_section_rows(section, masks, index[here, 1:], in_tissue[here]))
    return combine(concatenate(parts, REGION_TABLE.columns), REGION_TABLE.key, REGION_TABLE.fold)


def _section_rows(
    labels: NDArray[Any],
    voxels: Mapping[str, NDArray[np.bool_]],
    index: NDArray[np.int64],
    in_tissue: NDArray[np.bool_],
) -> Rows:
    values, place = np.unique(labels, return_inverse=True)
    place = place.reshape(labels.shape)
    count = {"voxels": np.bincount(place.reshape(-1), minlength=len(values))}
    for name, mask in voxels.items():
        count[name] = np.bincount(place[mask], minlength=len(values))
    of_cell = place[tuple(index.T)]
    count["cells"] = np.bincount(of_cell[in_tissue], minlength=len(values))
    count["cells_without_tissue"] = np.bincount(of_cell[~in_tissue], minlength=len(values))
    counts = {name: number.astype(np.int64) for name, number in count.items()}
    return {"region": values.astype(np.uint64), **counts}
