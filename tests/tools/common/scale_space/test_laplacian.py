"""Kernels that are exact for constants and parabolas, also below a voxel."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.tools.common.scale_space.laplacian import MIN_SIGMA, ball_contrast, gaussian_kernels, sigmas_of


@pytest.mark.parametrize("sigma", [MIN_SIGMA, 1.0, 2.5, 7.0])
def test_a_constant_has_no_response_and_a_parabola_that_of_its_curvature(sigma: float) -> None:
    gauss, second = gaussian_kernels(sigma)
    x = np.arange(len(second)) - len(second) // 2
    assert abs((second * 100).sum()) < 1e-9
    assert abs((second * x**2 / 2).sum() - 1) < 1e-9
    assert abs(gauss.sum() - 1) < 1e-9


@pytest.mark.parametrize("sigma", [MIN_SIGMA, 1.0, 3.0])
def test_a_constant_volume_has_no_response_in_float32(sigma: float) -> None:
    image = np.full((9, 11, 13), 100, np.float32)
    assert np.abs(ball_contrast(image, (sigma, 1.0, 2.0))).max() < 1e-4


def test_the_response_of_a_ball_is_its_contrast() -> None:
    grid = np.mgrid[-20:21, -20:21, -20:21]
    ball = np.clip(8.5 - np.sqrt((grid**2).sum(0)), 0, 1).astype(np.float32)
    response = ball_contrast(100 + 40 * ball, sigmas_of(8.0, (1.0, 1.0, 1.0)))
    assert abs(float(response[20, 20, 20]) - 40) < 1.5
