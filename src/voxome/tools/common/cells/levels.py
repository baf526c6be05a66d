"""Several levels at once, from voxels or from the cells of a finer level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.downsampling import Method
from voxome.geometry import Box
from voxome.tools.common.cells.methods import Cells, cells_of

Ratio = tuple[int, ...]


@dataclass(frozen=True)
class CellLevels:
    """The cells of several levels, each level's cells within those of the next.

    Attributes
    ----------
    boxes : sequence of Box
        The cells of each level, along z, y, x.
    values : sequence of (z, y, x) arrays
        The voxels that they become.
    ids : sequence of (n,) arrays
        The values that occur among the voxels and on each level, sorted; empty if they were not looked for.
    last : Cells or None
        The cells of the last level, from which coarser ones can be computed; None if they were not to be kept.
    """

    boxes: Sequence[Box]
    values: Sequence[NDArray[Any]]
    ids: Sequence[NDArray[Any]]
    last: Cells | None


def levels_of_voxels(
    data: NDArray[Any],
    box: Box,
    ratios: Sequence[Ratio],
    method: Method,
    no_data: float | None = None,
    *,
    ids: bool = False,
    keep: bool = False,
) -> CellLevels:
    """Return the cells of several levels.

    Parameters
    ----------
    data, box
        See `cells_of`.
    ratios : sequence of (z, y, x) of int
        Edge lengths of the cells of each level, in those of the level before.
    method, no_data
        See `cells_of`.
    ids : bool
        Whether to find the values that occur on each level.
    keep : bool
        Whether coarser cells are to be computed from the last level.
    """
    if method != "mode":
        finest = cells_of(data, box, ratios[0], method, no_data)
        return _levels_of(finest, ratios[1:], _unique(data) if ids else None, keep=keep)
    from voxome.tools.common.cells.mode_levels import mode_levels
    from voxome.tools.common.cells.modes import ModeCells

    value = None if no_data is None else data.dtype.type(no_data)
    levels = mode_levels(data, box, ratios, value, ids=ids, keep=keep)
    *_, whole = accumulate(ratios, _multiply)
    last = ModeCells.of_levels(levels, box, whole, value) if keep else None
    boxes = list(accumulate(ratios, lambda finer, ratio: finer.coarsen(ratio), initial=box))[1:]
    return CellLevels(boxes, levels.values, levels.ids or (), last)


def levels_of_cells(cells: Cells, ratios: Sequence[Ratio], *, ids: bool = False, keep: bool = False) -> CellLevels:
    """Return the cells of several levels above a finer one; see `levels_of_voxels`."""
    first = cells.coarsen(ratios[0])
    candidates = None
    if ids:
        entries = cells.arrays.get("ids")
        candidates = _unique(cells.values)
        candidates = candidates if entries is None else np.union1d(candidates, _unique(entries))
    return _levels_of(first, ratios[1:], candidates, keep=keep)


def _levels_of(first: Cells, ratios: Sequence[Ratio], ids: NDArray[Any] | None, *, keep: bool) -> CellLevels:
    levels = list(accumulate(ratios, lambda finer, ratio: finer.coarsen(ratio), initial=first))
    values = [one.values for one in levels]
    found = [] if ids is None else [ids, *(_present(one, ids) for one in values)]
    return CellLevels([one.box for one in levels], values, found, levels[-1] if keep else None)


def _unique(values: NDArray[Any]) -> NDArray[Any]:
    from voxome.tools.common.cells.presence import unique

    return unique(values)


def _present(values: NDArray[Any], ids: NDArray[Any]) -> NDArray[Any]:
    from voxome.tools.common.cells.presence import present

    return present(values, ids)


def _multiply(one: Ratio, other: Ratio) -> Ratio:
    return tuple(a * b for a, b in zip(one, other, strict=True))
