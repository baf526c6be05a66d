from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.density.grid import DensityGrid, cell_indices, grid_factors, positions_of

FRAME = Frame(Box((-3, 0, 5), (9, 8, 14)), Box((-3, 0, 5), (9, 8, 14)), (2000.0, 1000.0, 500.0), (100.0, 0.0, -50.0))


def test_cells_are_the_nearest_multiple_of_a_voxel_and_at_least_one() -> None:
    assert grid_factors(50, (5000, 2000, 650)) == (10, 25, 77)
    assert grid_factors(1, (5000, 2000, 650)) == (1, 1, 2)


@given(st.tuples(*[st.integers(1, 5)] * 3), st.integers(-3, 9))
def test_sums_of_two_blocks_are_those_of_the_whole(factors: tuple[int, int, int], cut: int) -> None:
    mask = np.random.default_rng(0).random(FRAME.box.shape) < 0.5
    grid = DensityGrid(factors, FRAME)
    total = {tuple(i): 0 for i in cell_indices(FRAME.box.coarsen(factors)).tolist()}
    for box in (Box(FRAME.box.start, (cut, 8, 14)), Box((cut, 0, 5), FRAME.box.stop)):
        if box.empty:
            continue
        found = grid.sums(mask[box.within(FRAME.box)], box)
        for cell, count in zip(cell_indices(box.coarsen(factors)).tolist(), found.reshape(-1).tolist(), strict=True):
            total[tuple(cell)] += count
    for cell, count in total.items():
        first = np.array(cell) * factors - np.array(FRAME.box.start)
        part = tuple(slice(max(0, a), max(0, a + f)) for a, f in zip(first.tolist(), factors, strict=True))
        assert count == mask[part].sum()


def test_voxels_contain_the_positions_from_half_a_voxel_before_their_centre() -> None:
    grid = DensityGrid((2, 3, 4), FRAME)
    index = np.array([[-3, 0, 5], [8, 7, 13]])
    centre = np.array(FRAME.offset_nm) + index * np.array(FRAME.scale_nm)
    for shift in (-0.5, 0, 0.49):
        assert grid.voxels_of(centre + shift * np.array(FRAME.scale_nm)).tolist() == index.tolist()
    assert np.floor(grid.coordinates_of(centre)).tolist() == (index // [2, 3, 4]).tolist()
    cells = index // np.array([2, 3, 4])
    assert np.floor(grid.coordinates_of(grid.centres_nm(cells))).tolist() == cells.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_that_are_not_finite_are_refused(value: float) -> None:
    rows = dict.fromkeys(("z_nm", "y_nm"), np.zeros(3)) | {"x_nm": np.array([1, value, value])}
    with pytest.raises(InvalidInput, match="2 rows of a table have a z_nm, y_nm or x_nm that is not finite"):
        positions_of(rows)
