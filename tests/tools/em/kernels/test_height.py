from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.em.kernels.height import HeightParams, height_halo, height_map

SPACINGS = [(1.0, 1.0, 1.0), (1.0, 1.5, 1.0), (5.0, 1.0, 1.0)]
params = st.builds(
    HeightParams,
    threshold=st.integers(1, 255),
    radius=st.sampled_from([1.0, 3.0, 5.5]),
    depth=st.sampled_from([0.0, 4.0]),
    sigma=st.sampled_from([0.0, 0.7, 1.5]),
    spacing=st.sampled_from(SPACINGS),
)


def noise(shape: tuple[int, ...], seed: int, density: float = 0.05) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < density, rng.integers(0, 256, shape), 0).astype(np.uint8)


@pytest.mark.slow
@settings(max_examples=60)
@given(params, st.integers(0, 2**16), st.lists(st.integers(0, 29), min_size=6, max_size=6))
def test_heights_do_not_depend_on_the_read_box(params: HeightParams, seed: int, ends: list[int]) -> None:
    whole = Box.of_shape((22, 26, 30))
    corners = np.sort(np.reshape(ends, (2, 3)) % whole.shape, axis=0)
    write = Box(tuple(corners[0]), tuple(corners[1] + 1))
    read = write.grow([n - 1 for n in height_halo(params)]) & whole
    membrane = noise(whole.shape, seed)
    expected = height_map(membrane, params)[write.within(whole)]
    np.testing.assert_array_equal(height_map(membrane[read.within(whole)], params)[write.within(read)], expected)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_without_smoothing_it_is_the_capped_euclidean_distance(spacing: tuple[float, float, float]) -> None:
    membrane = noise((12, 20, 20), 1, 0.03)
    height = height_map(membrane, HeightParams(threshold=100, radius=6, depth=0, sigma=0, spacing=spacing))
    expected = np.minimum(ndimage.distance_transform_edt(membrane < 100, sampling=spacing), 6)
    np.testing.assert_allclose(height / 2**14, expected, atol=0.01)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_smoothing_is_gaussian(spacing: tuple[float, float, float]) -> None:
    membrane = noise((12, 20, 20), 1, 0.03)
    sharp = height_map(membrane, HeightParams(threshold=100, radius=6, depth=0, sigma=0, spacing=spacing))
    height = height_map(membrane, HeightParams(threshold=100, radius=6, depth=0, sigma=1.5, spacing=spacing))
    sigmas = [1.5 / s for s in spacing]
    expected = ndimage.gaussian_filter(sharp / 2**14, sigmas, mode="nearest", truncate=4.0)
    np.testing.assert_allclose(height / 2**14, expected, atol=0.02)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_missing_data_are_like_the_end_of_the_array(axis: int) -> None:
    membrane, given = noise((20, 22, 24), 5), HeightParams(radius=6, sigma=1.2)
    padded = np.concatenate([membrane, noise(membrane.shape, 6)], axis=axis)
    missing = np.zeros(padded.shape, bool)
    np.moveaxis(missing, axis, 0)[membrane.shape[axis] :] = True
    heights = height_map(padded, given, missing)
    assert np.array_equal(heights[~missing].reshape(membrane.shape), height_map(membrane, given))
    assert (heights[missing] == -1).all()


@pytest.mark.parametrize("value", [np.uint8(0), np.uint8(255)])
def test_extremes_do_not_overflow(value: np.uint8) -> None:
    params = HeightParams(radius=16, depth=8, sigma=2.0)
    assert set(np.unique(height_map(np.full((9, 9, 9), value), params))) == {0 if value else 24 << 14}


def test_membranes_are_lowered_in_proportion_to_their_probability() -> None:
    membrane = np.array([0, 51, 102, 255], np.uint8).reshape(1, 1, 4)
    height = height_map(membrane, HeightParams(threshold=255, radius=1, depth=5, sigma=0))
    np.testing.assert_array_equal(height.ravel() >> 14, [6, 5, 4, 0])


@pytest.mark.parametrize(
    "bad", [{"radius": 0.5}, {"radius": 40}, {"depth": 9}, {"sigma": -1}, {"spacing": (2.0, 2.0, 2.0)}]
)
def test_invalid_parameters_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        HeightParams(**bad)  # type: ignore[arg-type]
