"""Padding, blank sections and masks; short gaps."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.spec import VolumeSpec
from voxome.geometry import BlockGrid, Box
from voxome.tools.common.gaps import BRIDGED, HALO, NO_DATA, REACH, TISSUE, fill_missing, find_bridged, known_tissue
from voxome.tools.common.statistics import moments, percentile, statistics
from voxome.tools.common.tissue import tissue

SHAPE = (12, 60, 70)


def noise(seed: int = 1, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(130, 25, shape).clip(1, 254).astype(np.uint8)


def run(
    image: np.ndarray, block: tuple[int, int, int] = SHAPE, **options: object
) -> tuple[np.ndarray, dict[int, list[int]]]:
    """The tissue map and the rows of all blocks."""
    domain = Box.of_shape(image.shape, (3, -5, 7))
    frame = Frame(domain, domain, None, (0.0, 0.0, 0.0))
    result = np.zeros(image.shape, np.uint8)
    totals: dict[int, list[int]] = {}
    mask = options.pop("mask", None)
    for part in BlockGrid(domain, block, halo=tissue.spec.compute_halo({})):
        read = part.read.within(domain)
        own = None if mask is None else mask[read]
        found = tissue(image[read], own, block=BlockContext(part.write, part.read, frame), **options)
        result[part.write.within(domain)] = found["tissue"]
        for z, *counts in zip(*found["sections"].values(), strict=True):
            totals[int(z)] = [a + int(b) for a, b in zip(totals.get(int(z), [0, 0, 0]), counts, strict=True)]
    return result, totals


def test_noise_is_tissue() -> None:
    assert (run(noise())[0] == TISSUE).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_padding_of_any_grey_level_has_no_data(grey: int) -> None:
    image = noise()
    image[:, :, 50:] = grey
    image[:, :8] = grey
    result, sections = run(image)
    expected = np.where(image == grey, NO_DATA, TISSUE)
    expected[:, 8:, :50] = TISSUE
    assert (result != expected).mean() < 0.002
    assert sections[5][0] == 60 * 70
    assert sections[5][1] == (result[2] == NO_DATA).sum()


@pytest.mark.parametrize("scale", [1 / 255, 1e-5, 1e4])
def test_the_scale_of_floats_does_not_matter(scale: float) -> None:
    image = noise().astype(np.float32)
    image[:, :, 50:] = 128
    expected = run(image.astype(np.uint8))
    found = run((image * scale).astype(np.float32))
    assert np.array_equal(found[0], expected[0])
    assert found[1] == expected[1]
    assert 0 < (found[0] == NO_DATA).mean() < 0.5


@pytest.mark.parametrize(("dtype", "offset"), [("uint32", 2**31 - 130), ("int64", 2**40), ("float16", 0)])
def test_other_dtypes_have_the_same_map(dtype: str, offset: int) -> None:
    image = noise()
    image[:, :, 50:] = 128
    found = run((image.astype(np.int64) + offset).astype(dtype))[0]
    expected = run(image.astype(np.float32) if dtype == "float16" else image)[0]
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_padding_blurred_by_jpeg_has_no_data(quality: int) -> None:
    image = noise(shape=(3, 96, 128))
    image[:, :, 80:] = 0
    for z, section in enumerate(image):
        stream = io.BytesIO()
        Image.fromarray(section).save(stream, "jpeg", quality=quality)
        image[z] = np.asarray(Image.open(stream))
    result, _ = run(image, image.shape)
    assert (result[:, :, 80:] == NO_DATA).mean() > 0.98
    assert (result[:, :, :80] == TISSUE).mean() > 0.98


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_gaps_of_two_sections_are_bridged_but_not_those_of_three_or_at_the_border(grey: int) -> None:
    image = noise()
    image[[0, 2, 3, 5, 6, 7, 11]] = grey
    result, sections = run(image)
    expected = [NO_DATA, TISSUE, BRIDGED, BRIDGED, TISSUE, *[NO_DATA] * 3, *[TISSUE] * 3, NO_DATA]
    assert [np.unique(section).tolist() for section in result] == [[value] for value in expected]
    assert sections[3] == [4200, 4200, 0]
    assert sections[5] == [4200, 0, 4200]


@pytest.mark.slow
@given(st.integers(0, 50), st.tuples(st.integers(3, 12), st.integers(25, 60), st.integers(25, 70)))
def test_the_map_does_not_depend_on_blocks(seed: int, block: tuple[int, int, int]) -> None:
    image, rng = noise(seed), np.random.default_rng(seed)
    image[rng.integers(0, 12, 3)] = 7
    y, x = rng.integers(0, 50, 2)
    image[:, y : y + 20, x : x + 20] = 200
    whole, split = run(image), run(image, block)
    assert np.array_equal(whole[0], split[0])
    assert whole[1] == split[1]


def test_a_mask_and_a_no_data_value_count_without_detection() -> None:
    image, mask = noise(), np.ones(SHAPE, np.uint8)
    image[:, :3], mask[:, -3:] = 9, 0
    image[:, 3:][image[:, 3:] == 9] = 10
    result, _ = run(image, mask=mask, no_data=9, detect=False)
    expected = np.full(SHAPE, TISSUE)
    expected[:, :3] = expected[:, -3:] = NO_DATA
    assert np.array_equal(result, expected)


@pytest.mark.parametrize("detect", [True, False])
def test_nan_is_no_data_in_images_and_masks(detect: bool) -> None:
    image, mask = noise().astype(np.float32), np.ones(SHAPE, np.float32)
    expected = np.full(SHAPE, TISSUE)
    image[:, :, 50:], expected[:, :, 50:] = np.nan, NO_DATA
    mask[:, :9], expected[:, :9] = np.nan, NO_DATA
    image[4], expected[4, 9:, :50] = np.nan, BRIDGED
    assert np.array_equal(run(image, mask=mask, detect=detect)[0], expected)
    assert np.array_equal(run(image, (5, 40, 33), mask=mask, detect=detect)[0], expected)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"no_data": 3}, 3),
        ({"_FillValue": [0]}, 0),
        ({"_FillValue": "-1.5"}, -1.5),
        ({"no_data": "none", "_FillValue": 7}, 7),
        ({"_FillValue": "AAAAAAAAAAA="}, None),
        ({"_FillValue": [1, 2]}, None),
        ({"_FillValue": [1, [2]]}, None),
        ({"_FillValue": None}, None),
        ({"_FillValue": True}, None),
        ({"_FillValue": 10**400}, None),
    ],
)
def test_the_value_without_data_is_an_attribute_that_is_a_number(
    attributes: dict[str, object], expected: float | None
) -> None:
    defaults = tissue.spec.defaults
    assert defaults is not None
    found = defaults({"image": VolumeSpec.of(SHAPE, "uint8", attributes=attributes)}, {})
    assert found == ({} if expected is None else {"no_data": expected})


def test_statistics_are_those_of_the_tissue() -> None:
    image = noise()
    padded = np.concatenate([image, np.zeros_like(image)], axis=2)
    rows = statistics(padded, run(padded, padded.shape)[0])
    near = statistics(image)
    assert abs(moments(rows)[0] - moments(near)[0]) < 0.1
    assert percentile(rows, 1) == percentile(near, 1)


def test_gaps_are_interpolated_along_z() -> None:
    image = np.array([10, 0, 40, 0, 0, 100], np.uint8)[:, None, None]
    missing = image == 0
    values = np.where(missing, NO_DATA, TISSUE).astype(np.uint8)
    values[find_bridged(missing)] = BRIDGED
    assert fill_missing(image, values, 33)[:, 0, 0].tolist() == [10, 25, 40, 60, 80, 100]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_tissue_is_mirrored_into_voxels_without_data(axis: int) -> None:
    image = np.moveaxis(np.array([0] * 5 + [1, 2, 3, 4, 5, 6] + [0] * 20)[:, None, None], 0, axis)
    filled = fill_missing(image, (image > 0).astype(np.uint8), 9)
    line = np.moveaxis(filled, axis, 0)[:, 0, 0].tolist()
    assert line[:17] == [6, 5, 4, 3, 2, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 6]
    assert line[11 + REACH :] == [9] * 4


@pytest.mark.slow
@given(st.integers(0, 200), st.tuples(*[st.integers(9, 30)] * 3))
def test_what_is_filled_does_not_depend_on_blocks(seed: int, block: tuple[int, int, int]) -> None:
    rng, shape = np.random.default_rng(seed), (20, 30, 40)
    image = rng.integers(0, 255, shape).astype(np.uint8)
    missing = ndimage.gaussian_filter(rng.normal(size=shape), 3) > 0
    missing[rng.integers(0, 20, 4)] = True
    values = np.where(missing, NO_DATA, TISSUE).astype(np.uint8)
    values[find_bridged(missing)] = BRIDGED
    whole, domain = fill_missing(image, values, 77), Box.of_shape(shape)
    assert np.array_equal(whole[values == TISSUE], image[values == TISSUE])
    for part in BlockGrid(domain, block, halo=((HALO,) * 3, (HALO,) * 3)):
        read = part.read.within(domain)
        filled = fill_missing(image[read], values[read], 77)[part.write.within(part.read)]
        assert np.array_equal(filled, whole[part.write.within(domain)])


def test_voxels_outside_the_box_of_the_run_count_as_tissue() -> None:
    domain, box = Box.of_shape((8, 8, 8)), Box((0, 2, 0), (8, 6, 8))
    values = np.full(domain.shape, NO_DATA, np.uint8)
    known = known_tissue(values, BlockContext(box, domain, Frame(domain, box, None, (0.0, 0.0, 0.0))))
    assert (known[:, 2:6] == NO_DATA).all()
    assert (known[:, :2] == TISSUE).all()
    assert (known[:, 6:] == TISSUE).all()


def test_an_image_of_tissue_is_returned_as_it_is() -> None:
    image = noise()
    assert fill_missing(image, np.full(SHAPE, TISSUE, np.uint8), 0) is image
