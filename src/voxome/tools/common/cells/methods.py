"""Methods by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.downsampling import Method
from voxome.geometry import Box


class Cells(Protocol):
    """The cells of a box, as far as coarser ones can be computed from them."""

    @property
    def box(self) -> Box:
        """The cells, along z, y, x."""

    @property
    def values(self) -> NDArray[Any]:
        """The voxel that each becomes."""

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `of_arrays` of the class needs to restore the cells."""

    def coarsen(self, factors: tuple[int, ...]) -> Cells:
        """Return the cells of `factors` of these cells, as if computed from all their voxels."""


class _Methods(Mapping[str, Any]):
    """Classes that are imported when they are needed, as loading compiled code takes a while."""

    _NAMES: Mapping[str, str] = {
        "mean": "means:MeanCells",
        "mode": "modes:ModeCells",
        "max": "extremes:MaxCells",
        "min": "extremes:MinCells",
        "stride": "extremes:FirstCells",
    }

    def __getitem__(self, method: str) -> Any:
        module, _, name = self._NAMES[method].partition(":")
        return getattr(import_module(f"voxome.tools.common.cells.{module}"), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._NAMES)

    def __len__(self) -> int:
        return len(self._NAMES)


METHODS: Mapping[str, Any] = _Methods()
"""Method → its cells."""


def cells_of(
    data: NDArray[Any], box: Box, factors: Sequence[int], method: Method, no_data: float | None = None
) -> Cells:
    """Return the cells of `factors` voxels that start at multiples of `factors`.

    Parameters
    ----------
    data : (z, y, x) array
        Voxels of `box`, numbers or booleans; any order in memory.
    box : Box
        Box of the data. Cells at its faces combine the voxels inside it.
    factors : (z, y, x) of int
        Edge lengths of a cell.
    method : {"mean", "mode", "max", "min", "stride"}
        How they become one voxel.
    no_data : number, optional
        Value that does not count, unless a cell has nothing else.
    """
    value = None if no_data is None else data.dtype.type(no_data)
    cells: Cells = METHODS[method].of_voxels(data, box, tuple(factors), value)
    return cells


def downsample_array(
    data: NDArray[Any], box: Box, factors: Sequence[int], method: Method, no_data: float | None = None
) -> NDArray[Any]:
    """Combine the voxels of `box` in cells; see `cells_of`.

    Parameters
    ----------
    data, box, factors, method, no_data
        See `cells_of`, for any number of axes before z, y, x.

    Returns
    -------
    array of the same dtype
        One voxel a cell.
    """
    spatial = Box(box.start[-3:], box.stop[-3:])
    volumes = data.reshape(-1, *data.shape[-3:])
    parts = [cells_of(one, spatial, tuple(factors)[-3:], method, no_data).values for one in volumes]
    shape = spatial.coarsen(tuple(factors)[-3:]).shape
    return np.stack(parts).reshape(*data.shape[:-3], *shape)
