"""Features: exact for constants, slopes and parabolas, in voxels of any shape, and equal wherever an image is cut."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.models.pixels.eigenvalues import eigenvalues
from voxome.models.pixels.extension import extend
from voxome.models.pixels.features import NAMES, Feature, compute_features, reach_of
from voxome.models.pixels.kernels import derivative_kernel

CUBIC = (1000.0, 1000.0, 1000.0)
FLAT = (2000.0, 1000.0, 1000.0)

pytestmark = pytest.mark.slow


def compute(image, features, scale_nm=CUBIC, dimensions=3):
    reach = reach_of(features, scale_nm, dimensions)
    return compute_features(image.astype(np.float32), reach, features, scale_nm, dimensions)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.5, 0.7, 1.0, 3.0])
def test_kernels_are_exact_for_constants_slopes_and_parabolas(sigma):
    for order in (0, 1, 2):
        kernel = derivative_kernel(sigma, order).astype(np.float64)
        x = np.arange(len(kernel)) - len(kernel) // 2
        powers = [(kernel * x**n).sum() / sigma**order / (2 if n == 2 else 1) for n in range(3)]
        assert powers[:order] == pytest.approx([0] * order, abs=2e-4 / sigma**order)
        assert powers[order] == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_has_no_edges(name):
    feature = Feature(1.0, name)
    values = compute(np.full((30, 30, 30), 100.0), [feature])
    assert np.allclose(values, 100 if name == "gaussian" else 0, atol=2e-3)


def test_features_are_those_of_scipy():
    image = np.random.default_rng(0).random((44, 44, 44)).astype(np.float32)
    features = [Feature(2.0, name) for name in ("gaussian", "laplacian", "gradient", "difference", "hessian")]
    values = compute(image, features)
    reach = reach_of(features, CUBIC, 3)
    inner = tuple(slice(n, -n) for n in reach)
    blurred = ndimage.gaussian_filter(image, 2)
    assert values[0] == pytest.approx(blurred[inner], abs=1e-5)
    assert values[1] == pytest.approx(4 * ndimage.gaussian_laplace(image, 2)[inner], abs=2e-3)
    assert values[2] == pytest.approx(2 * ndimage.gaussian_gradient_magnitude(image, 2)[inner], abs=1e-3)
    assert values[3] == pytest.approx((blurred - ndimage.gaussian_filter(image, 1.32))[inner], abs=1e-5)
    assert values[4:].sum(axis=0) == pytest.approx(values[1], abs=1e-4)


def test_eigenvalues_are_those_of_numpy_largest_first():
    for n in (2, 3):
        matrices = np.random.default_rng(n).normal(size=(500, n, n)).astype(np.float32)
        matrices += matrices.swapaxes(1, 2)
        matrices[0], matrices[1] = 0, 2 * np.eye(n)
        rows, columns = np.triu_indices(n)
        found = eigenvalues(list(matrices[:, rows, columns].T))
        assert found == pytest.approx(np.linalg.eigvalsh(matrices).T[::-1], abs=2e-5)


def test_a_parabola_is_the_same_in_voxels_of_any_shape():
    feature = [Feature(3.0, "hessian")]
    values = []
    for scale_nm in (CUBIC, FLAT):
        reach = np.array(reach_of(feature, scale_nm, 3))
        z, y, x = (np.arange(2 * n + 1) - n for n in reach)
        um = scale_nm[0] / 1000
        image = (z[:, None, None] * um) ** 2 / 2 + 0 * y[:, None] + 3 * x**2 / 2
        values.append(compute(image, feature, scale_nm)[:, 0, 0, 0])
    assert values[0] == pytest.approx([27, 9, 0], abs=0.02)
    assert values[1] == pytest.approx(values[0], abs=0.02)


def test_sections_are_independent_in_two_dimensions():
    image = np.random.default_rng(1).random((3, 30, 30)).astype(np.float32)
    features = [Feature(1.0, name) for name in NAMES]
    together = compute(image, features, dimensions=2)
    alone = compute(image[1:2], features, dimensions=2)
    assert together.shape[:2] == (8, 3)
    np.testing.assert_array_equal(together[:, 1:2], alone)


def test_features_have_the_same_bits_wherever_the_image_is_cut():
    image = np.random.default_rng(2).random((40, 44, 48)).astype(np.float32)
    features = [Feature(sigma, name) for sigma in (0.7, 1.5) for name in NAMES]
    reach = reach_of(features, CUBIC, 3)
    whole = compute(image, features)
    part = compute(image[5:-7, 3:-4, 1:-10], features)
    cut = (slice(None), slice(5, -7), slice(3, -4), slice(1, -10))
    np.testing.assert_array_equal(part, whole[cut])
    assert reach == (6 + 3, 6 + 3, 6 + 3)


def test_a_smaller_reach_would_show():
    image = np.random.default_rng(3).random((40, 40, 40)).astype(np.float32)
    image[:, :, 0] = 100
    reach = reach_of([Feature(2.0, "structure")], CUBIC, 3)
    values = compute(image, [Feature(2.0, "structure")])
    image[:, :, 0] = 0
    changed = compute(image, [Feature(2.0, "structure")]) != values
    assert reach == (12, 12, 12)
    assert changed[..., 0].any()
    assert not changed[..., 1:].any()


def test_a_scale_far_below_a_voxel_is_refused():
    with pytest.raises(InvalidInput, match=r"0\.05 voxels"):
        reach_of([Feature(0.01, "gaussian")], CUBIC, 3)


def mirrored(image, known, reach=(6, 6, 6)):
    domain = Box.of_shape(image.shape)
    return extend(image, known, domain, domain.grow(reach), reach)


def test_beyond_the_volume_is_its_mirror_image():
    image = np.random.default_rng(4).random((9, 8, 7))
    found = mirrored(image, np.ones(image.shape, bool))
    np.testing.assert_array_equal(found, np.pad(image.astype(np.float32), 6, mode="reflect"))


@pytest.mark.parametrize("width", [1, 3, 20])
def test_a_border_without_data_is_like_the_end_of_the_volume(width):
    image = np.random.default_rng(5).random((9, 8, 7))
    padded = np.pad(image, width, constant_values=np.nan)
    found = mirrored(padded, ~np.isnan(padded))
    inner = tuple(slice(width, -width) for _ in range(3))
    np.testing.assert_array_equal(found[inner], mirrored(image, np.ones(image.shape, bool)))


def test_where_tissue_is_too_thin_for_a_mirror_its_last_voxel_is_repeated():
    found = mirrored(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 2), bool), (2, 0, 3))
    assert (found[:, 0] == [1, 1, 2, 1, 2, 1, 2, 2]).all()
