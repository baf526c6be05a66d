"""Voxels near a mask."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from voxome.tools.common.balls import Scale
from voxome.tools.common.contrast.distance import near


@pytest.mark.parametrize("size", [(650.0, 650.0, 650.0), (5000.0, 2000.0, 2000.0), (1.0, 300.0, 77.0)])
@pytest.mark.parametrize("distance_um", [0.0, 0.3, 0.65, 2.0, 8.0, 20.0])
def test_voxels_near_a_mask_are_those_of_a_distance_transform(size: Scale, distance_um: float) -> None:
    rng = np.random.default_rng(0)
    for shape in ((20, 30, 40), (1, 50, 40), (3, 2, 60)):
        mask = rng.random(shape) > 0.995
        mask[0, 0, 0] = True
        away = ndimage.distance_transform_edt(~mask, sampling=size)
        np.testing.assert_array_equal(near(mask, distance_um, size), away <= 1000 * distance_um * (1 + 1e-9))


def test_nothing_is_near_an_empty_mask() -> None:
    assert not near(np.zeros((3, 4, 5), bool), 5.0, (1000.0,) * 3).any()
