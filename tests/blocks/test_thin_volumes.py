"""Volumes that are thinner than the halo, or a voxel larger than the block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxome


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 7, 13), (13, 1, 8), (9, 13, 1), (8, 9, 7)])
def test_a_tool_with_a_halo_of_8_that_changes_nothing_returns_the_image(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    uri = f"zarr://{tmp_path}/image.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(shape, "float32", voxel_size_nm=(1000, 1000, 1000)))[...] = image
    given = {"image": uri, "smoothing_um": 2.0}
    found = voxome.tool("common.ratio", given, out=tmp_path / "out", engine="sequential", block=(12, 12, 12))
    np.testing.assert_array_equal(voxome.open(found["result"].uri)[...], image)
    found = voxome.tool("common.ratio", given, out=tmp_path / "cut", engine="sequential", block=(6, 6, 6))
    np.testing.assert_array_equal(voxome.open(found["result"].uri)[...], image)
