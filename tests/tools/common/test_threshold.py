"""Thresholds, which are in the values of a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import PlanError


def threshold(path: Path, values: np.ndarray, kind: Any, **parameters: float) -> list[int]:
    uri = f"zarr://{path}/volume.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(values.shape, values.dtype.name, kind=kind))[...] = values
    found = voxome.tool("common.threshold", {"image": uri, **parameters}, out=path / "out", engine="sequential")
    return np.asarray(voxome.open(found["result"].uri)[...]).ravel().tolist()


@pytest.mark.parametrize(
    ("dtype", "kind", "at", "expected"),
    [("uint8", "probability", 127, [0, 0, 0, 255]), ("uint8", "image", 0.5, [0, 255, 255, 255]),
     ("float32", "probability", 0.5, [0, 255, 255, 255])],
)  # fmt: skip
def test_voxels_above_it_are_marked(dtype: str, kind: str, at: float, expected: list[int], tmp_path: Path) -> None:
    assert threshold(tmp_path, np.array([[[0, 1, 127, 128]]], dtype), kind, at=at) == expected


def test_a_fraction_of_a_probability_of_integers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"at is 0\.5, but image is a probability of uint8.* set at to 127 or so"):
        threshold(tmp_path, np.zeros((1, 1, 4), np.uint8), "probability")
