"""The voxel store of the Boss dialect, in memory and in a folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.errors import InvalidBox
from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.dialects.boss.records import Channel, CoordinateFrame, Experiment
from voxome.relay.dialects.boss.voxels import VolumeStore

BOX = Box((0, 3, 5, 7), (1, 20, 69, 120))


def make_pyramid(**channel: str) -> Pyramid:
    frame = CoordinateFrame(
        name="f", x_start=0, x_stop=130, y_start=0, y_stop=70, z_start=0, z_stop=21,
        x_voxel_size=0.5, y_voxel_size=0.5, z_voxel_size=2, voxel_unit="micrometers",
    )  # fmt: skip
    experiment = Experiment(collection="c", name="e", coord_frame="f", num_hierarchy_levels=3)
    return Pyramid(Channel(collection="c", experiment="e", name="ch", **channel), experiment, frame)


@pytest.fixture(params=["memory", "zarr"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{uuid4().hex}" if request.param == "memory" else f"zarr://{tmp_path}/voxels"


def random(box: Box, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, box.shape, dtype=dtype)


def test_merged_voxels_are_read_by_another_store(root: str) -> None:
    pyramid, old, new = make_pyramid(), random(BOX), random(BOX)[..., ::-1]
    VolumeStore(root, BoxLocks()).merge(pyramid, 0, BOX, old)
    VolumeStore(root, BoxLocks()).merge(pyramid, 0, BOX, new)
    assert_array_equal(VolumeStore(root, BoxLocks()).read(pyramid, 0, BOX), np.where(new, new, old))
    VolumeStore(root, BoxLocks()).erase(pyramid, 0, BOX)
    assert not VolumeStore(root, BoxLocks()).read(pyramid, 0, pyramid.native).any()


def test_unwritten_voxels_are_zero_and_nothing_is_created(root: str, tmp_path: Path) -> None:
    voxels, pyramid = VolumeStore(root, BoxLocks()), make_pyramid(datatype="uint16")
    assert not voxels.read(pyramid, 1, BOX).any()
    assert voxels.read(pyramid, 1, BOX).dtype == np.uint16
    voxels.erase(pyramid, 1, BOX)
    voxels.merge(pyramid, 1, BOX, np.zeros(BOX.shape, "uint16"))
    assert list(tmp_path.iterdir()) == []


def test_reads_but_not_writes_may_leave_a_level(root: str) -> None:
    voxels, pyramid = VolumeStore(root, BoxLocks()), make_pyramid()
    level = Box((0, 0, 0, 0), (1, 21, 18, 33))
    assert pyramid.domain(2) == level
    data = random(level)
    voxels.put(pyramid, 2, level, data)
    whole = voxels.read(pyramid, 2, pyramid.native)
    assert_array_equal(whole[:, :, :18, :33], data)
    assert whole.sum() == data.sum()
    for write in (voxels.put, voxels.merge):
        with pytest.raises(InvalidBox, match="level 2"):
            write(pyramid, 2, pyramid.native, np.ones(pyramid.native.shape, "uint8"))


def test_a_deleted_channel_has_no_voxels(root: str) -> None:
    voxels, pyramid = VolumeStore(root, BoxLocks()), make_pyramid()
    for level in (0, 1):
        voxels.put(pyramid, level, Box((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint8"))
    voxels.delete(pyramid.channel, range(3))
    assert not voxels.read(pyramid, 0, BOX).any()
    assert not VolumeStore(root, BoxLocks()).read(pyramid, 1, pyramid.native).any()


def test_the_stored_volume_is_a_plain_zarr_array(root: str) -> None:
    pyramid = make_pyramid(type="annotation", datatype="uint64")
    VolumeStore(root, BoxLocks()).put(pyramid, 2, Box((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint64"))
    volume = voxome.open(f"{root}/{pyramid.channel.uid}/2.zarr")
    assert volume.axes == ("t", "z", "y", "x")
    assert volume.shape == (1, 21, 18, 33)
    assert volume.voxel_size_nm == (2000, 2000, 2000)
    assert volume.spec.kind == "labels"
    assert volume.spec.offset_nm == (0, 750, 750)
    assert volume.spec.attributes["channel"] == "c/e/ch"


def test_concurrent_merges_lose_nothing(root: str) -> None:
    voxels, pyramid = VolumeStore(root, BoxLocks()), make_pyramid()
    parts = [
        np.where(np.arange(pyramid.native.size) % 9 == i, i + 1, 0).reshape(pyramid.native.shape) for i in range(9)
    ]
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda part: voxels.merge(pyramid, 0, pyramid.native, part.astype("uint8")), parts))
    assert_array_equal(voxels.read(pyramid, 0, pyramid.native), sum(parts))
