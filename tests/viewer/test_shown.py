from __future__ import annotations

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput
from voxome.resources.volume_like import as_volume
from voxome.viewer.shown import as_shown, shown_format


@pytest.mark.parametrize(
    ("dtype", "axes", "format"),
    [
        ("uint8", "zyx", "precomputed"),
        ("bool", "czyx", "precomputed"),
        ("int64", "zyx", "zarr"),
        ("uint8", "yx", "zarr"),
    ],
)
def test_a_stored_volume_is_read_in_the_format_that_has_it(dtype: str, axes: str, format: str) -> None:
    assert shown_format(voxome.VolumeSpec.of((2,) * len(axes), dtype, axes=tuple(axes)), "em") == format


@pytest.mark.parametrize(("dtype", "axes"), [("float64", "zyx"), ("bool", "yx"), ("uint8", "zx")])
def test_what_no_format_has_is_refused(dtype: str, axes: str) -> None:
    with pytest.raises(InvalidInput, match=r"^em (is|has)"):
        shown_format(voxome.VolumeSpec.of((2,) * len(axes), dtype, axes=tuple(axes)), "em")


def test_numbers_beyond_float32_are_infinite() -> None:
    shown = as_shown(as_volume(np.array([[1e300, -1e300, 0.5]])), "em")
    assert shown[...].tolist() == [[np.inf, -np.inf, 0.5]]


def test_a_volume_that_the_viewer_has_stays_as_it_is() -> None:
    volume = as_volume(np.zeros((2, 2, 2), np.uint8))
    assert as_shown(volume, "em") is volume
