"""What is unusual about a probability, before a run."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.tools.common.contrast.unusual import unusual_image, unusual_probability


@pytest.mark.parametrize(("most", "warned"), [(0, False), (1, True), (2, False), (255, False)])
def test_a_mask_is_no_probability(most: int, warned: bool) -> None:
    blocks = [np.zeros((3, 4, 5), np.uint8), np.full((0, 4, 5), 9, np.uint8), np.full((2, 4, 5), most, np.uint8)]
    found = list(unusual_probability("probability", blocks, {}))
    assert [text.startswith("has no value above 1 in a sample of 100 voxels") for text in found] == [True] * warned
    assert not list(unusual_probability("exclude", blocks, {}))


@pytest.mark.parametrize(("offset", "warned"), [(0.0, False), (1e5, True), (-1e5, True)])
def test_floats_that_hardly_vary_are_named(offset: float, warned: bool) -> None:
    image = (np.random.default_rng(0).normal(100, 20, (4, 40, 40)) + offset).astype(np.float32)
    found = list(unusual_image("image", [image], {}))
    assert ["floats that vary so little have no contrast" in text for text in found] == [True] * warned


@pytest.mark.parametrize(("value", "warned"), [(65535, "at most"), (-65535, "at least"), (3000, ""), (100, "")])
def test_hot_voxels_are_named(value: int, warned: str) -> None:
    image = np.random.default_rng(0).normal(100, 20, (4, 60, 60)).astype(np.int32)
    image[2, 30, 30] = value
    found = [text for text in unusual_image("image", [image], {}) if "hot voxels" in text]
    assert [warned in text for text in found] == ([True] if warned else [])


def test_sparse_bright_cells_are_no_hot_voxels() -> None:
    image = np.random.default_rng(0).normal(100, 20, (4, 100, 100)).astype(np.int32)
    image[1:4, 30:33, 30:33] = 30_000
    assert not [text for text in unusual_image("image", [image], {}) if "hot voxels" in text]
