"""Largest, smallest and first values of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.tools.common.cells.compiled import jit
from voxome.tools.common.cells.dtypes import compilable, restored
from voxome.tools.common.cells.edges import cell_edges, paste, shape_of


@dataclass(frozen=True)
class MaxCells:
    """Largest value of each cell.

    Attributes
    ----------
    box : Box
        The cells, along z, y, x.
    values : (z, y, x) array
        Largest value of each; of cells in which nothing counts, no data or NaN.
    no_data : number or None
        Value that does not count.
    """

    box: Box
    values: NDArray[Any]
    no_data: Any
    largest = True

    @classmethod
    def of_voxels(cls, data: NDArray[Any], box: Box, factors: tuple[int, ...], no_data: Any) -> MaxCells:
        """Return the cells of `factors` voxels; `data` are the voxels of `box`."""
        voxels, edges = compilable(data), cell_edges(box, factors)
        values = np.empty(shape_of(edges), voxels.dtype)
        unknown = np.nan if voxels.dtype.kind == "f" else 0
        background = voxels.dtype.type(unknown if no_data is None else no_data)
        _extreme(voxels, *edges, cls.largest, no_data is not None, background, values)
        return cls(box.coarsen(factors), restored(values, data.dtype), no_data)

    def coarsen(self, factors: tuple[int, ...]) -> MaxCells:
        """Return the cells of `factors` of these cells."""
        return self.of_voxels(self.values, self.box, factors, self.no_data)

    @classmethod
    def join(cls, box: Box, parts: Sequence[MaxCells]) -> MaxCells:
        """Return the cells of `box`, which `parts` cover together."""
        return cls(box, paste(box, [(one.box, one.values) for one in parts]), parts[0].no_data)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `of_arrays` needs to restore the cells."""
        return {"values": self.values}

    @classmethod
    def of_arrays(cls, box: Box, arrays: Mapping[str, NDArray[Any]], dtype: np.dtype[Any], no_data: Any) -> MaxCells:
        """Return the cells whose `arrays` were stored."""
        return cls(box, arrays["values"], no_data)


@dataclass(frozen=True)
class MinCells(MaxCells):
    """Smallest value of each cell."""

    largest = False


@dataclass(frozen=True)
class FirstCells:
    """First voxel of each cell, of those that exist.

    Attributes
    ----------
    box : Box
        The cells, along z, y, x.
    values : (z, y, x) array
        Value of the voxel with the lowest indices.
    """

    box: Box
    values: NDArray[Any]

    @classmethod
    def of_voxels(cls, data: NDArray[Any], box: Box, factors: tuple[int, ...], no_data: Any) -> FirstCells:
        """Return the cells of `factors` voxels; `data` are the voxels of `box`, and `no_data` counts like any value."""
        z, y, x = (one[:-1] for one in cell_edges(box, factors))
        return cls(box.coarsen(factors), data[np.ix_(z, y, x)])

    def coarsen(self, factors: tuple[int, ...]) -> FirstCells:
        """Return the cells of `factors` of these cells."""
        return self.of_voxels(self.values, self.box, factors, None)

    @classmethod
    def join(cls, box: Box, parts: Sequence[FirstCells]) -> FirstCells:
        """Return the cells of `box`, which `parts` cover together."""
        return cls(box, paste(box, [(one.box, one.values) for one in parts]))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `of_arrays` needs to restore the cells."""
        return {"values": self.values}

    @classmethod
    def of_arrays(cls, box: Box, arrays: Mapping[str, NDArray[Any]], dtype: np.dtype[Any], no_data: Any) -> FirstCells:
        """Return the cells whose `arrays` were stored."""
        return cls(box, arrays["values"])


@jit
def _extreme(data, ez, ey, ex, largest, masked, background, values):  # type: ignore[no-untyped-def]
    for cz in range(len(ez) - 1):
        for cy in range(len(ey) - 1):
            for cx in range(len(ex) - 1):
                best, found = background, False
                for z in range(ez[cz], ez[cz + 1]):
                    for y in range(ey[cy], ey[cy + 1]):
                        for x in range(ex[cx], ex[cx + 1]):
                            value = data[z, y, x]
                            if value != value or (masked and value == background):
                                continue
                            if not found or (value > best if largest else value < best):
                                best, found = value, True
                values[cz, cy, cx] = best
