"""Radii of spheres, and of discs in a single section."""

from __future__ import annotations

import math

import numpy as np
import pytest

from voxome.contracts.frame import Frame
from voxome.geometry import Box
from voxome.tools.common.equal_radius import equal_radius_nm


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((9, 9, 9), (1000.0, 500.0, 250.0), np.cbrt(80 * 0.125e9 * 3 / (4 * math.pi))),
        ((1, 9, 9), (50_000.0, 500.0, 250.0), math.sqrt(80 * 0.125e6 / math.pi)),
        ((9, 1, 9), (1000.0, 1.0, 250.0), math.sqrt(80 * 0.25e6 / math.pi)),
    ],
)
def test_the_thickness_of_a_single_section_does_not_matter(
    shape: tuple[int, ...], size: tuple[float, float, float], expected: float
) -> None:
    box = Box.of_shape(shape, (3, -5, 7))
    assert equal_radius_nm(np.array([80]), Frame(box, box, size, (0.0,) * 3)) == pytest.approx([expected])
    assert np.isnan(equal_radius_nm(np.array([80]), Frame(box, box, None, (0.0,) * 3))).all()
