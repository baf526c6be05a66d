from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.errors import InvalidBox
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import in_box, pack, unpack

side = st.integers(0, 2**21 - 1)


@given(st.lists(st.tuples(side, side, side), min_size=2, max_size=9), st.integers(-(2**40), 2**40))
def test_ids_are_unique_ordered_and_reversible(points: list[tuple[int, int, int]], origin: int) -> None:
    domain = Box.of_shape((2**21,) * 3, (origin, -origin, 7))
    absolute = np.array(points) + domain.start
    ids = pack(absolute, domain)
    assert ids.dtype == np.uint64
    assert 0 < ids.min() <= ids.max() <= 2**63
    np.testing.assert_array_equal(unpack(ids, domain), absolute)
    assert [points[i] for i in np.argsort(ids, kind="stable")] == sorted(points)


def test_the_first_voxel_has_id_1() -> None:
    assert pack([-5, 3, 9], Box.of_shape((4, 4, 4), (-5, 3, 9))) == 1


def test_in_box_selects_the_ids_of_voxels_inside() -> None:
    domain = Box.of_shape((9, 9, 9), (-2, 0, 0))
    ids = pack([(0, 1, 1), (0, 1, 2), (-2, 0, 0)], domain)
    assert in_box(ids, Box((-1, 0, 0), (1, 2, 2)), domain).tolist() == [True, False, False]


def test_a_domain_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidBox, match="2097152"):
        pack([0, 0, 0], Box.of_shape((1, 1, 2**21 + 1)))
