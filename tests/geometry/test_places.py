"""Voxels that contain positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.geometry.places import voxels_at


@pytest.mark.parametrize("size", [11.4, 5.24, 3.7, 4.0, 0.65, 1 / 3])
def test_the_corner_of_a_voxel_is_in_it(size: float) -> None:
    voxels = np.arange(-20_000, 20_000)
    corners = np.stack([voxels * size] * 3, axis=1)
    assert (voxels_at(corners, (size,) * 3) == voxels[:, None]).all()


@given(st.integers(-(10**6), 10**6), st.floats(1e-3, 1 - 1e-3), st.floats(0.1, 1e4), st.floats(-1e4, 1e4))
def test_a_position_inside_a_voxel_is_in_it(voxel: int, share: float, size: float, corner: float) -> None:
    position = corner + (voxel + share) * size
    assert voxels_at([position] * 3, (size,) * 3, (corner,) * 3).tolist() == [voxel] * 3
