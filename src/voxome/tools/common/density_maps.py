"""Density map of cells, by a kernel or by neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Parameters, Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.density.grid import (
    NM_PER_UM,
    DensityGrid,
    cell_indices,
    factors_from,
    grid_factors,
    inside,
    positions_of,
)
from voxome.tools.common.density.kernel import Density, kernel_density, kernel_reach
from voxome.tools.common.density.lengths import clip_lines
from voxome.tools.common.density.near import batches_near, lines_near
from voxome.tools.common.density.neighbours import Section, neighbour_density
from voxome.tools.common.density_sums import CELLS, GRID_TABLE, voxel_size_problems
from voxome.tools.common.downsample import parse_factors
from voxome.tools.common.faces import long_axes
from voxome.tools.common.gaps import NO_DATA

GRID_UM = 50.0
"""Edge of a cell of the grid, by default."""
VESSEL_POINTS = kinds.Table({"branch_id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64"}, key=())
"""Centre lines of vessels, as an input: the points of each branch, in order."""
DENSITY_TABLE = kinds.Table(
    {
        **dict.fromkeys(("z", "y", "x"), "int64"),
        **dict.fromkeys(("z_nm", "y_nm", "x_nm"), "float64"),
        "cells": "int64",
        **dict.fromkeys(("tissue_mm3", "density_per_mm3", "density_low", "density_high"), "float64"),
        **dict.fromkeys(("vessel_fraction", "vessel_mm_per_mm3"), "float64"),
    },
    key=("z", "y", "x"),
)
NEIGHBOUR_TABLE = kinds.Table(
    {
        **dict.fromkeys(("z", "y", "x"), "int64"),
        **dict.fromkeys(("z_nm", "y_nm", "x_nm"), "float64"),
        **dict.fromkeys(("density_per_mm3", "density_low", "density_high"), "float64"),
    },
    key=("z", "y", "x"),
)


def _defaults(specs: Mapping[str, VolumeSpec], settings: Mapping[str, Any]) -> dict[str, Any]:
    return factors_from(specs, settings, GRID_UM)


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    yield from voxel_size_problems(specs, parameters)
    size = specs["tissue"].voxel_size_nm
    if size is not None and (problem := _factors_problem(parameters["factors"], parameters["grid_um"], size)):
        yield problem


def _factors_problem(factors: str | None, grid_um: float, voxel_size_nm: Sequence[float]) -> str | None:
    expected = ",".join(map(str, grid_factors(grid_um, voxel_size_nm)))
    if factors in (None, expected):
        return None
    return f"factors are {factors}, but cells of {grid_um} micrometres are {expected} voxels: set grid_um alone"


def _scale(parameters: Parameters) -> Scale:
    return parse_factors(parameters["factors"] or "1,1,1")


_MAP = kinds.Image("float32", scale=_scale)


@tool(
    "common.density",
    outputs={"density": _MAP, "vessel_fraction": _MAP, "vessel_length": _MAP, "table": DENSITY_TABLE},
    check=_problems,
    defaults=_defaults,
    memory=memory_of(250_000_000, 4),
)
def density(
    tissue: Annotated[NDArray[Any], kinds.Image()],
    grid: Annotated[TableFile, GRID_TABLE],
    vessel_points: Annotated[TableFile | None, VESSEL_POINTS] = None,
    *,
    grid_um: Annotated[float, Gt(0)] = GRID_UM,
    bandwidth_um: Annotated[float, Ge(0)] = 50.0,
    factors: str | None = None,
    block: BlockContext,
) -> dict[str, Any]:
    """Map the density of cells with a kernel, and the fraction and length of vessels, on a grid.

    The density is the weighted number of cells over the equally weighted volume of tissue, so that it is not smaller at
    faces and beside voxels without data.

    Parameters
    ----------
    tissue : (z, y, x) array
        Tissue map that common.density_sums has had.
    grid : table
        Sums of common.density_sums, of the same grid.
    vessel_points : table, optional
        Centre lines of vessels: the points z_nm, y_nm, x_nm of each branch, in order.
    grid_um : float
        Edge of a cell of the grid in micrometres, that of common.density_sums.
    bandwidth_um : float
        Standard deviation of the kernel in micrometres; 0 counts the cells in each cell of the grid.
    factors : str
        Voxels Z,Y,X along a cell of the grid; they follow from grid_um and the voxel size.

    Returns
    -------
    density : (z, y, x) array of float32
        Cells per cubic millimetre of tissue; NaN where there is none.
    vessel_fraction : (z, y, x) array of float32
        Share of the tissue that is in vessels; NaN where vessels were not looked for.
    vessel_length : (z, y, x) array of float32
        Length of vessels in mm per cubic millimetre of tissue; NaN without centre lines.
    table : table
        The same with counts, volumes and the 95 % interval of the density, for each cell of the grid.
    """
    space = _grid_of(factors, grid_um, block)
    cells = block.write.coarsen(space.factors)
    bandwidth = bandwidth_um * NM_PER_UM
    reach = [kernel_reach(bandwidth, edge) for edge in space.edges_nm.tolist()]
    sums = _dense(grid, space, cells.grow(reach), ("voxels", "tissue", "cells", "examined", "vessels"))
    inner = tuple(slice(r, n - r) for r, n in zip(reach, sums["tissue"].shape, strict=True))
    found = kernel_density(sums["cells"], _volumes(sums, space), bandwidth, space.edges_nm)
    own = {name: values[inner] for name, values in sums.items()}
    tissue_mm3 = _volumes(own, space)
    fraction = _ratio(own["vessels"], own["examined"])
    length = np.full(cells.shape, np.nan)
    if vessel_points is not None:
        length = _ratio(_lengths_nm(vessel_points, space, cells) / 1e6, tissue_mm3)
    rows = {
        **_places(space, cells),
        "cells": own["cells"].reshape(-1),
        "tissue_mm3": tissue_mm3.reshape(-1),
        **_density_columns(found),
        "vessel_fraction": fraction.reshape(-1),
        "vessel_mm_per_mm3": length.reshape(-1),
    }
    maps = {"density": found.per_mm3, "vessel_fraction": fraction, "vessel_length": length}
    return {**{name: values.astype(np.float32) for name, values in maps.items()}, "table": rows}


def _reach(parameters: Parameters, scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    z, y, x = (int(np.ceil(parameters["reach_um"] * NM_PER_UM / size)) + 1 for size in scale_nm)
    return z, y, x


@tool(
    "common.neighbour_density",
    halo=_reach,
    outputs={"density": _MAP, "table": NEIGHBOUR_TABLE},
    check=_problems,
    defaults=_defaults,
    memory=memory_of(250_000_000, 4),
)
def neighbour_density_map(
    tissue: Annotated[NDArray[Any], kinds.Image()],
    cells: Annotated[TableFile, CELLS],
    *,
    grid_um: Annotated[float, Gt(0)] = GRID_UM,
    neighbour: Annotated[int, Ge(2)] = 10,
    reach_um: Annotated[float, Gt(0)] = 100.0,
    factors: str | None = None,
    block: BlockContext,
) -> dict[str, Any]:
    """Map the density of cells from the distance to the k-th nearest, on a grid.

    At the centre of each cell of the grid, it is (k - 1) / V with the volume V of the tissue in the ball up to the k-th
    cell; if fewer are within reach, their number over the volume within reach. In a single section, balls are discs as
    thick as it is.

    Parameters
    ----------
    tissue : (z, y, x) array
        Tissue map, as from common.tissue; 0 where there are no data.
    cells : table
        Cells, with the columns z_nm, y_nm, x_nm. Those without tissue, or outside the box of the run, do not count.
    grid_um : float
        Edge of a cell of the grid in micrometres; it is rounded to whole voxels.
    neighbour : int
        Number k of the neighbour; the relative error is about 1 / sqrt(k - 2).
    reach_um : float
        Largest radius of a ball in micrometres.
    factors : str
        Voxels Z,Y,X along a cell of the grid; they follow from grid_um and the voxel size.

    Returns
    -------
    density : (z, y, x) array of float32
        Cells per cubic millimetre of tissue; NaN where there is none.
    table : table
        The same with its 95 % interval, for each cell of the grid.
    """
    space = _grid_of(factors, grid_um, block)
    region = block.read & block.frame.box
    known = tissue[region.within(block.read)] != NO_DATA

    def has_tissue(position_nm: NDArray[np.float64]) -> NDArray[np.bool_]:
        index = space.voxels_of(position_nm)
        here = inside(index, region)
        here[here] = known[tuple((index[here] - np.array(region.start)).T)]
        return here

    positions = [np.empty((0, 3))]
    for rows in batches_near(cells, block.frame, region):
        batch = positions_of(rows)
        positions.append(batch[has_tissue(batch)])
    own = block.write.coarsen(space.factors)
    some = space.sums(known[block.write.within(region)], block.write).reshape(-1) > 0
    centres = _clipped_centres(space, own, block.frame.box)
    values = neighbour_density(
        centres[some],
        np.concatenate(positions),
        has_tissue,
        k=neighbour,
        reach_nm=reach_um * NM_PER_UM,
        section=_only_section(block.frame),
    )
    columns = []
    for one in values:
        column = np.full(len(some), np.nan)
        column[some] = one
        columns.append(column.reshape(own.shape))
    found = Density(*columns)
    table = {**_places(space, own), **_density_columns(found)}
    return {"density": found.per_mm3.astype(np.float32), "table": table}


def _only_section(frame: Frame) -> Section | None:
    """Return the section of a run whose box has only one."""
    flat = [axis for axis in range(3) if axis not in long_axes(frame.box.shape)]
    if len(flat) != 1:
        return None
    (axis,) = flat
    size = frame.scale_nm[axis]
    return Section(axis, frame.offset_nm[axis] + frame.box.start[axis] * size, size)


def _grid_of(factors: str | None, grid_um: float, block: BlockContext) -> DensityGrid:
    if problem := _factors_problem(factors, grid_um, block.frame.scale_nm):
        raise InvalidInput(problem)
    return DensityGrid(grid_factors(grid_um, block.frame.scale_nm), block.frame)


def _dense(table: TableFile, space: DensityGrid, cells: Box, names: tuple[str, ...]) -> dict[str, NDArray[np.int64]]:
    """Return columns of the rows of a box of cells as arrays; 0 outside of the box of the run.

    Raises
    ------
    InvalidInput
        If the table is not of this grid and box.
    """
    rows = table.lookup("z", np.arange(cells.start[0], cells.stop[0]))
    index = np.stack([rows[name] for name in ("z", "y", "x")], axis=1)
    here = inside(index, cells)
    place = tuple((index[here] - np.array(cells.start)).T)
    arrays = {name: np.zeros(cells.shape, np.int64) for name in names}
    for name, array in arrays.items():
        array[place] = rows[name][here]
    if not np.array_equal(arrays["voxels"], space.voxels_in(cells)):
        raise InvalidInput(
            f"{table.path} has other cells than a grid of {','.join(map(str, space.factors))} voxels in "
            f"{space.frame.box}: give the sums of common.density_sums with the same grid_um and box"
        )
    return arrays


def _lengths_nm(points: TableFile, space: DensityGrid, cells: Box) -> NDArray[np.float64]:
    """Return the length of the lines in each cell of a box, in nm; memory holds a batch of the table."""
    total = np.zeros(cells.shape)
    for stretch in lines_near(points, space.frame, cells.refine(space.factors)):
        last: Rows | None = None
        for batch in stretch:
            rows = batch if last is None else {name: np.concatenate([last[name], batch[name]]) for name in batch}
            last = {name: values[-1:] for name, values in batch.items()}
            place = space.coordinates_of(positions_of(rows))
            joined = rows["branch_id"][1:] == rows["branch_id"][:-1]
            low, high = np.minimum(place[1:], place[:-1]), np.maximum(place[1:], place[:-1])
            near = joined & ((high >= np.array(cells.start)) & (low <= np.array(cells.stop))).all(axis=1)
            cell, length = clip_lines(place[:-1][near], place[1:][near], space.edges_nm)
            here = inside(cell, cells)
            np.add.at(total, tuple((cell[here] - np.array(cells.start)).T), length[here])
    return total


def _volumes(sums: Rows, space: DensityGrid) -> NDArray[np.float64]:
    return sums["tissue"].astype(np.float64) * space.voxel_mm3


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _places(space: DensityGrid, cells: Box) -> Rows:
    index = cell_indices(cells)
    centres = space.centres_nm(index)
    return {
        **{name: index[:, axis] for axis, name in enumerate(("z", "y", "x"))},
        **{name: centres[:, axis] for axis, name in enumerate(("z_nm", "y_nm", "x_nm"))},
    }


def _density_columns(found: Density) -> Rows:
    return {
        "density_per_mm3": found.per_mm3.reshape(-1),
        "density_low": found.low.reshape(-1),
        "density_high": found.high.reshape(-1),
    }


def _clipped_centres(space: DensityGrid, cells: Box, box: Box) -> NDArray[np.float64]:
    """Return the centres of what the cells have in the box of the run, in nm."""
    first = cell_indices(cells) * np.array(space.factors)
    low, high = np.maximum(first, box.start), np.minimum(first + np.array(space.factors), box.stop)
    return np.array(space.frame.offset_nm) + (low + high - 1) / 2 * np.array(space.frame.scale_nm)
