"""What is unusual about the contrast of an image."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from voxome.tools.em.contrast import contrast_warnings

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def tissue() -> NDArray[np.uint8]:
    """Return bright cells with dark membranes between them, and noise."""
    seeds = RNG.integers(0, 96, (60, 2))
    y, x = np.mgrid[:96, :96]
    distances = np.sort(np.hypot(y[..., None] - seeds[:, 0], x[..., None] - seeds[:, 1]), axis=-1)
    membranes = ndimage.gaussian_filter((distances[..., 1] - distances[..., 0] < 2).astype(float), 1)
    image = 170 - 110 * membranes + RNG.normal(0, 9, (12, 96, 96))
    result: NDArray[np.uint8] = image.clip(1, 254).astype(np.uint8)
    return result


def warnings(*blocks: NDArray[np.uint8]) -> list[str]:
    return list(contrast_warnings(blocks))


def test_usual_tissue_causes_no_warning(tissue: NDArray[np.uint8]) -> None:
    assert warnings(tissue) == []
    assert warnings(tissue, tissue[:, ::-1]) == []


def test_bright_membranes_are_inverted(tissue: NDArray[np.uint8]) -> None:
    (warning,) = warnings(255 - tissue)
    assert "seems inverted" in warning
    assert "?window=255:0" in warning


def test_a_value_of_many_voxels_at_an_end_is_clipped(tissue: NDArray[np.uint8]) -> None:
    dark = warnings(np.maximum(tissue, np.uint8(np.percentile(tissue, 20))))
    bright = warnings(np.minimum(tissue, np.uint8(np.percentile(tissue, 80))))
    assert any("its lowest grey value" in warning for warning in dark)
    assert any("its highest grey value" in warning for warning in bright)


def test_few_grey_values_are_reported(tissue: NDArray[np.uint8]) -> None:
    assert any("has only" in warning and "grey values" in warning for warning in warnings(tissue // 12 * 12))


@pytest.mark.slow
def test_padding_is_reported_as_a_share_and_is_not_tissue(tissue: NDArray[np.uint8]) -> None:
    padded = np.zeros((12, 96, 192), np.uint8)
    padded[..., :96] = tissue
    (warning,) = warnings(padded)
    assert "has no data in 4" in warning or "has no data in 5" in warning
    assert warnings(padded, 0 * padded)[0].startswith("has no data in 7")


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (7, "uint8", "has a single grey value, 7, in all of a sample of 6,400 voxels: .*; check its path, channel and"),
        (0, "uint8", "has a single grey value, 0, .*; check its path"),
        (
            255,
            "uint8",
            "has a single grey value, 255, the largest of 8 bits, as of saturated voxels, .*; use the original",
        ),
        (4095, "uint16", "has a single grey value, 4095, the largest of 12 bits, as of saturated voxels, "),
        (0.5, "float32", "has a single grey value, 0.5, "),
    ],
)
def test_a_constant_image_is_described(value: float, dtype: str, text: str) -> None:
    (warning,) = warnings(np.full((4, 40, 40), value, dtype))
    assert re.match(text, warning)


def test_a_nearly_constant_image_is_described() -> None:
    flicker = 155 + np.indices((4, 40, 40)).sum(axis=0).astype(np.uint8) % 3
    (warning,) = warnings(flicker)
    assert warning.startswith("is nearly constant, with grey values from 155 to 157, in all of a sample of 6,400")


def test_saturated_areas_are_named(tissue: NDArray[np.uint8]) -> None:
    bright = tissue.copy()
    bright[:, :, 40:] = 255
    assert warnings(bright)[0].endswith(
        "areas of one grey value, most of them 255, the largest of 8 bits, as of saturated voxels"
    )


def test_blocks_are_read_once(tissue: NDArray[np.uint8]) -> None:
    def blocks() -> Iterator[NDArray[np.uint8]]:
        yield tissue

    assert list(contrast_warnings(blocks())) == []
    assert list(contrast_warnings(iter(()))) == []
