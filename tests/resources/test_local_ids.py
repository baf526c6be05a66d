"""Labels and their boxes in stores without an index of them."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.geometry import Box
from voxome.resources.volume import Volume
from voxome.resources.volume_like import ArraySource

BIG = (2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2)


@pytest.fixture(params=["memory", "zarr", "precomputed", "n5", "hdf5", "array"])
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Volume:
    labels = np.zeros((9, 10, 11), np.uint64)
    for at, one in enumerate(BIG):
        labels[at : at + 5, 2 * at, 3 : 6 + at] = one
    if request.param == "array":
        return Volume(ArraySource(labels))
    suffix = "/labels.h5/labels" if request.param == "hdf5" else "/labels"
    uri = f"memory://{uuid4().hex}" if request.param == "memory" else f"{request.param}://{tmp_path}{suffix}"
    return voxome.put(labels, uri, chunk=(4, 4, 4), voxel_size_nm=(40, 4, 4), kind="labels")


def test_ids_are_found_block_by_block(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.resources.local_ids.BLOCK_VOXELS", 1)
    assert volume.ids().tolist() == list(BIG)
    assert volume.ids("0:9,0:3,0:11", service="local").tolist() == list(BIG[:2])
    assert volume.ids("0:0,0:3,0:11").tolist() == []


def test_boxes_are_found_block_by_block(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.resources.local_ids.BLOCK_VOXELS", 1)
    for at, one in enumerate(BIG):
        assert volume.bounding_box(one) == Box((at, 2 * at, 3), (at + 5, 2 * at + 1, 6 + at))


@pytest.mark.parametrize("label", [1, 2**63 + 4, 2**64 - 1])
def test_a_label_that_is_not_there_is_named(volume: Volume, label: int) -> None:
    with pytest.raises(NotFound, match=f"has no label {label}"):
        volume.bounding_box(label)


def test_a_label_beyond_the_dtype_is_not_there() -> None:
    with pytest.raises(NotFound, match="has no label 257"):
        Volume(ArraySource(np.ones((2, 2, 2), np.uint8))).bounding_box(257)


def test_negative_labels_are_refused() -> None:
    with pytest.raises(InvalidInput, match="has the label -3; expected labels of at least 0"):
        Volume(ArraySource(np.full((2, 2, 2), -3))).ids()


def test_the_store_or_the_voxels_can_be_chosen(volume: Volume) -> None:
    with pytest.raises(UnsupportedFormat, match="keeps no index of its labels"):
        volume.ids(service="own")
    with pytest.raises(UnknownName, match="Unknown service 'locale' of bounding_box; did you mean 'local'"):
        volume.bounding_box(5, service="locale")


def test_blocks_within_the_box_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.resources.local_ids.BLOCK_VOXELS", 1)
    labels = np.zeros((1, 3, 3), np.uint8)
    labels[0, [0, 0, 1], [0, 2, 0]] = 5
    source = ArraySource(labels)
    read: list[Box] = []

    def counted(box: Box, *, out: None = None) -> np.ndarray:
        read.append(box)
        return labels[box.within(source.spec.domain)]

    monkeypatch.setattr(source, "read", counted)
    assert Volume(source).bounding_box(5) == Box((0, 0, 0), (1, 2, 3))
    assert len(read) == 7
