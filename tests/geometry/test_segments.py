"""Segments, boxes and cells, compared with rational arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from remotes.precomputed.lines import segment_meets_box

from voxome.geometry.segments import crossed_cells, segments_meet_box


def test_a_segment_meets_a_box_as_rational_numbers_say() -> None:
    random = np.random.default_rng(0)
    ends = random.integers(0, 9, (1500, 2, 3)) / 2  # many touch faces, edges and corners
    for start in itertools.product((-1, 0, 2), repeat=3):
        stop = np.add(start, (2, 1, 2))
        expected = [segment_meets_box(one, start, tuple(stop)) for one in ends[:60]]
        assert segments_meet_box(ends[:60], start, stop).tolist() == expected
        ends = np.roll(ends, 60, axis=0)


@pytest.mark.slow
def test_a_segment_crosses_the_cells_that_it_meets_each_once() -> None:
    random = np.random.default_rng(1)
    grid = (2, 4, 3)
    ends = np.concatenate([random.integers(0, 5, (150, 2, 3)) / 2, random.random((150, 2, 3)) * grid])
    rows, cells = crossed_cells(ends, grid)
    assert (np.diff(rows) >= 0).all()
    for row, one in enumerate(ends):
        found = [tuple(cell) for cell in cells[rows == row].tolist()]
        assert len(set(found)) == len(found)
        expected = {
            cell
            for cell in itertools.product(*map(range, grid))
            if segment_meets_box(one, cell, [at + 1 if at + 1 < n else 99 for at, n in zip(cell, grid, strict=True)])
        }
        assert set(found) == expected
