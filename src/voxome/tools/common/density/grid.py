"""A grid of cells of equal size over the voxels of a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box

NM_PER_UM = 1000.0
NM3_PER_MM3 = 1e18
POSITION = ("z_nm", "y_nm", "x_nm")


def grid_factors(edge_um: float, voxel_size_nm: Sequence[float]) -> Scale:
    """Return the voxels (z, y, x) along a cell of the grid, at least 1: its edge is the nearest multiple of a voxel.

    Parameters
    ----------
    edge_um : float
        Edge of a cell in micrometres.
    voxel_size_nm : (z, y, x)
        Voxel size.

    Examples
    --------
    >>> grid_factors(50, (5000, 2000, 650))
    (10, 25, 77)
    """
    z, y, x = (max(1, round(edge_um * NM_PER_UM / size)) for size in voxel_size_nm)
    return z, y, x


def factors_from(specs: Mapping[str, VolumeSpec], settings: Mapping[str, Any], default_um: float) -> dict[str, Any]:
    """Return the parameter ``factors``, from ``grid_um`` and the first volume's voxel size; {} if it is unknown."""
    size = next(iter(specs.values())).voxel_size_nm if specs else None
    try:
        edge_um = float(settings.get("grid_um", default_um))
    except (TypeError, ValueError):  # refused when the parameters are checked
        return {}
    if size is None or not 0 < edge_um < float("inf"):
        return {}
    return {"factors": ",".join(map(str, grid_factors(edge_um, size)))}


@dataclass(frozen=True)
class DensityGrid:
    """Cells of `factors` voxels (z, y, x) from voxel index 0 on; cell *i* has the voxels from i·f up to (i + 1)·f."""

    factors: Scale
    frame: Frame

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel in cubic millimetres."""
        z, y, x = self.frame.scale_nm
        return z * y * x / NM3_PER_MM3

    @property
    def edges_nm(self) -> NDArray[np.float64]:
        """Edges (z, y, x) of a cell in nm."""
        return np.array(self.factors) * np.array(self.frame.scale_nm)

    def voxels_of(self, position_nm: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the indices (n, 3) of the voxels that positions (n, 3) are in."""
        offset, size = np.array(self.frame.offset_nm), np.array(self.frame.scale_nm)
        return np.floor((position_nm - offset) / size + 0.5).astype(np.int64)

    def coordinates_of(self, position_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions (n, 3) in cells: cell i is from i up to i + 1."""
        offset, size = np.array(self.frame.offset_nm), np.array(self.frame.scale_nm)
        return ((position_nm - offset) / size + 0.5) / np.array(self.factors)

    def centres_nm(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the centres (n, 3) of cells (n, 3) in nm."""
        factors, size = np.array(self.factors), np.array(self.frame.scale_nm)
        return np.array(self.frame.offset_nm) + (cells * factors + (factors - 1) / 2) * size

    def voxels_in(self, cells: Box) -> NDArray[np.int64]:
        """Return how many voxels of the box of the run are in each cell of a box of cells."""
        lengths = []
        for axis, factor in enumerate(self.factors):
            first = np.arange(cells.start[axis], cells.stop[axis]) * factor
            low, high = self.frame.box.start[axis], self.frame.box.stop[axis]
            lengths.append(np.clip(first + factor, low, high) - np.clip(first, low, high))
        z, y, x = lengths
        return np.asarray(z[:, None, None] * y[:, None] * x, np.int64)

    def sums(self, voxels: NDArray[Any], box: Box) -> NDArray[np.int64]:
        """Return sums of whole numbers, or numbers of true voxels, in the cells that `box`, the array's, touches."""
        total: NDArray[np.int64] = voxels.astype(np.int64)
        for axis in range(3):
            first, stop, factor = box.start[axis], box.stop[axis], self.factors[axis]
            inner = np.arange((first // factor + 1) * factor, stop, factor) - first
            total = np.add.reduceat(total, np.concatenate([[0], inner]), axis=axis)
        return total

    def counts(self, voxel_index: NDArray[np.int64], box: Box) -> NDArray[np.int64]:
        """Return how many of the voxels (n, 3), which are in `box`, are in each cell that it touches."""
        cells = box.coarsen(self.factors)
        result = np.zeros(cells.shape, np.int64)
        index = voxel_index // np.array(self.factors) - np.array(cells.start)
        np.add.at(result, tuple(index.T), 1)
        return result


def cell_indices(cells: Box) -> NDArray[np.int64]:
    """Return the indices (n, 3) of all cells of a box, in order."""
    axes = [np.arange(a, b) for a, b in zip(cells.start, cells.stop, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def positions_of(rows: Rows) -> NDArray[np.float64]:
    """Return the columns ``z_nm, y_nm, x_nm`` as positions (n, 3).

    Raises
    ------
    InvalidInput
        If a position is not finite.
    """
    positions = np.stack([np.asarray(rows[name], np.float64) for name in POSITION], axis=1)
    finite = np.isfinite(positions).all(axis=1)
    if not finite.all():
        raise InvalidInput(
            f"{int((~finite).sum())} rows of a table have a z_nm, y_nm or x_nm that is not finite; leave them out"
        )
    return positions


def inside(index: NDArray[np.int64], box: Box) -> NDArray[np.bool_]:
    """Return which voxels (n, 3) are in a box."""
    within = (index >= np.array(box.start)) & (index < np.array(box.stop))
    return np.asarray(within.all(axis=1), np.bool_)
