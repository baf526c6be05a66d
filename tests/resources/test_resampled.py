"""Volumes on another grid of voxels have the values of the nearest voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome import Box, VolumeSpec
from voxome.errors import InvalidInput, InvalidUri
from voxome.resources import resampled
from voxome.resources.open import open_source
from voxome.resources.resampled import Resampled

VALUES = np.random.default_rng(2).integers(0, 255, (4, 5, 6)).astype(np.uint8)
INNER = Box((0, 0, 0), (8, 10, 12))


def save(path: Path, offset: float = 0.0) -> str:
    spec = VolumeSpec.of(VALUES.shape, "uint8", voxel_size_nm=(8, 8, 8), offset_nm=(offset,) * 3)
    voxome.create(f"zarr://{path}/a.zarr", spec)[...] = VALUES
    return f"zarr://{path}/a.zarr"


def test_smaller_voxels_have_the_value_of_that_around_them(tmp_path: Path) -> None:
    source = open_source(f"{save(tmp_path, 2)}?grid=4,4,4:0,0,0")
    assert source.spec.voxel_size_nm == (4, 4, 4)
    np.testing.assert_array_equal(source.read(INNER), VALUES.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    part = Box((3, 1, 5), (6, 9, 6))
    np.testing.assert_array_equal(source.read(part), source.read(INNER)[3:6, 1:9, 5:6])


def test_larger_voxels_have_the_value_in_their_middle(tmp_path: Path) -> None:
    source = open_source(f"{save(tmp_path)}?grid=16,8,24:8,0,8")
    np.testing.assert_array_equal(source.read(Box((0, 0, 0), (2, 5, 2))), VALUES[1::2, :, 1::3])


def test_a_box_that_spans_many_voxels_of_the_source_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    source = open_source(save(tmp_path))
    view = Resampled(source, (16, 8, 24), (8, 0, 8), "a")
    whole = view.read(view.spec.domain)
    read = source.read

    def note_size(box: Box) -> NDArray[np.uint8]:
        sizes.append(box.size)
        return read(box)

    monkeypatch.setattr(source, "read", note_size)
    monkeypatch.setattr(resampled, "_MOST_READ", 7)
    small = Box((0, 0, 0), (2, 1, 2))
    np.testing.assert_array_equal(view.read(small), whole[small.within(view.spec.domain)])
    assert len(sizes) > 1
    assert max(sizes) <= 7


def test_there_is_one_voxel_more_beyond_the_ends_with_the_value_of_the_last(tmp_path: Path) -> None:
    source = open_source(f"{save(tmp_path, 2)}?grid=4,4,4:0,0,0")
    assert source.spec.domain == Box((-2, -2, -2), (10, 12, 14))
    whole = source.read(source.spec.domain)
    np.testing.assert_array_equal(whole, np.pad(source.read(INNER), 2, mode="edge"))


def test_indices_are_those_of_the_grid_whatever_the_offset(tmp_path: Path) -> None:
    source = open_source(f"{save(tmp_path, 1002)}?grid=4,4,4:0,0,0")
    np.testing.assert_array_equal(source.read(INNER.shift((250,) * 3))[::2, ::2, ::2], VALUES)


@pytest.mark.parametrize("grid", ["4,4,4", "4,4:0,0", "4,4,0:0,0,0", "4,4,x:0,0,0", "4,4,nan:0,0,0"])
def test_a_malformed_grid_is_refused(tmp_path: Path, grid: str) -> None:
    with pytest.raises(InvalidUri, match=r"should be a voxel size and the centre of voxel 0,0,0 in nm"):
        open_source(f"{save(tmp_path)}?grid={grid}")


def test_a_volume_without_a_voxel_size_has_no_other_grid(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    with pytest.raises(InvalidInput, match=r"\?grid= needs z, y and x, and a voxel size"):
        open_source(f"{tmp_path}/a.npy?grid=4,4,4:0,0,0")
