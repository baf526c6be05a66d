from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from voxome.tools.common.density.lengths import clip_lines

EDGES = np.array([2.0, 3.0, 0.5])
ENDS = npst.arrays(np.float64, (2, 5, 3), elements=st.one_of(st.integers(-3, 3).map(float), st.floats(-3, 3, width=32)))


@given(ENDS)
def test_parts_add_up_to_the_pieces_and_are_in_their_cells(ends: np.ndarray) -> None:
    start, stop = ends
    cell, length = clip_lines(start, stop, EDGES)
    assert length.sum() == pytest.approx(np.linalg.norm((stop - start) * EDGES, axis=1).sum(), abs=1e-9)
    assert (length >= 0).all()
    low, high = np.floor(np.minimum(start, stop).min(axis=0)), np.ceil(np.maximum(start, stop).max(axis=0))
    assert ((cell >= low) & (cell <= high)).all()


def test_a_line_is_cut_exactly_at_the_faces_of_cells() -> None:
    cell, length = clip_lines(np.array([[0.5, 0.5, 0.25]]), np.array([[0.5, 0.5, 3.0]]), EDGES)
    assert cell.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2]]
    assert length.tolist() == [0.375, 0.5, 0.5]
    cell, length = clip_lines(np.array([[0.0, 0.0, 0.0]]), np.array([[2.0, 2.0, 2.0]]), EDGES)
    assert cell.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_the_direction_of_a_line_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    start, stop = rng.uniform(-4, 4, (2, 50, 3))
    totals = []
    for a, b in ((start, stop), (stop, start)):
        total = np.zeros((10, 10, 10))
        cell, length = clip_lines(a, b, EDGES)
        np.add.at(total, tuple((cell + 5).T), length)
        totals.append(total)
    np.testing.assert_allclose(*totals, atol=1e-12)


def test_lines_without_length_have_no_parts() -> None:
    point = np.array([[1.0, 2.0, 3.0]])
    assert len(clip_lines(point, point, EDGES)[1]) == 0
    assert len(clip_lines(point[:0], point[:0], EDGES)[1]) == 0
