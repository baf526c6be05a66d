"""Volumes of the relay's own, in memory and in a folder."""

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
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.dialects.boss.records import Channel, CoordinateFrame, Experiment
from voxome.relay.dialects.boss.voxels import VolumeStore

BOX = Box((0, 3, 5, 7), (1, 20, 69, 120))


def pyramid(**channel: str) -> Pyramid:
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


def test_what_is_merged_is_read_by_another(root: str) -> None:
    place, old, new = pyramid(), random(BOX), random(BOX)[..., ::-1]
    VolumeStore(root).merge(place, 0, BOX, old)
    VolumeStore(root).merge(place, 0, BOX, new)
    assert_array_equal(VolumeStore(root).read(place, 0, BOX), np.where(new, new, old))
    VolumeStore(root).erase(place, 0, BOX)
    assert not VolumeStore(root).read(place, 0, place.native).any()


def test_what_was_never_written_is_zero_and_makes_nothing(root: str, tmp_path: Path) -> None:
    voxels, place = VolumeStore(root), pyramid(datatype="uint16")
    assert not voxels.read(place, 1, BOX).any()
    assert voxels.read(place, 1, BOX).dtype == np.uint16
    voxels.erase(place, 1, BOX)
    voxels.merge(place, 1, BOX, np.zeros(BOX.shape, "uint16"))
    assert list(tmp_path.iterdir()) == []


def test_reads_reach_beyond_a_level_and_writes_do_not(root: str) -> None:
    voxels, place = VolumeStore(root), pyramid()
    level = Box((0, 0, 0, 0), (1, 21, 18, 33))
    assert place.domain(2) == level
    data = random(level)
    voxels.put(place, 2, level, data)
    whole = voxels.read(place, 2, place.native)
    assert_array_equal(whole[:, :, :18, :33], data)
    assert whole.sum() == data.sum()
    for write in (voxels.put, voxels.merge):
        with pytest.raises(InvalidBox, match="level 2"):
            write(place, 2, place.native, np.ones(place.native.shape, "uint8"))


def test_a_forgotten_channel_is_gone(root: str) -> None:
    voxels, place = VolumeStore(root), pyramid()
    for level in (0, 1):
        voxels.put(place, level, Box((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint8"))
    voxels.delete(place.channel, range(3))
    assert not voxels.read(place, 0, BOX).any()
    assert not VolumeStore(root).read(place, 1, place.native).any()


def test_the_stored_volume_is_a_plain_one(root: str) -> None:
    place = pyramid(type="annotation", datatype="uint64")
    VolumeStore(root).put(place, 2, Box((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint64"))
    volume = voxome.open(f"{root}/{place.channel.uid}/2.zarr")
    assert volume.axes == ("t", "z", "y", "x")
    assert volume.shape == (1, 21, 18, 33)
    assert volume.voxel_size_nm == (2000, 2000, 2000)
    assert volume.spec.kind == "labels"
    assert volume.spec.offset_nm == (0, 750, 750)
    assert volume.spec.attributes["channel"] == "c/e/ch"


def test_merges_at_once_lose_nothing(root: str) -> None:
    voxels, place = VolumeStore(root), pyramid()
    parts = [np.where(np.arange(place.native.size) % 9 == i, i + 1, 0).reshape(place.native.shape) for i in range(9)]
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda part: voxels.merge(place, 0, place.native, part.astype("uint8")), parts))
    assert_array_equal(voxels.read(place, 0, place.native), sum(parts))
