"""The labels of a volume and their boxes as services; those of stores without an index are in `test_local_ids.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, NotFound, WrongCall
from voxome.testing.service import ServiceContract

LABELS = np.zeros((4, 5, 6), np.uint64)
LABELS[1:3, 2:4, 1:6] = 2**63 + 5
LABELS[0, 0, 0] = 3


class _Labels(ServiceContract):
    @pytest.fixture
    def volume(self) -> voxome.Volume:
        return voxome.put(LABELS, f"memory://{uuid4().hex}", voxel_size_nm=(40, 4, 4))


class TestIds(_Labels):
    name = "ids"

    def check(self, result: Any) -> None:
        assert result.tolist() == [3, 2**63 + 5]
        assert result.dtype == np.uint64


class TestBoundingBox(_Labels):
    name = "bounding_box"
    arguments: ClassVar = (2**63 + 5,)

    def check(self, result: Any) -> None:
        assert result == voxome.Box((1, 2, 1), (3, 4, 6))


def test_arrays_and_paths_are_volumes(tmp_path: Path) -> None:
    voxome.put(LABELS, f"zarr://{tmp_path}/labels.zarr", voxel_size_nm=(40, 4, 4))
    for labels in (LABELS, LABELS.astype(np.int64, casting="unsafe") & 7, tmp_path / "labels.zarr"):
        assert voxome.ids(labels)[0] == 3
        assert voxome.bounding_box(labels, 3) == voxome.Box((0, 0, 0), (1, 1, 1))
    assert voxome.ids(LABELS, "0:1,:,:").tolist() == [3]


def test_wrong_calls_are_explained() -> None:
    with pytest.raises(NotFound, match="no label 4"):
        voxome.bounding_box(LABELS, 4)
    with pytest.raises(InvalidInput, match="float64"):
        voxome.ids(LABELS.astype(float))
    with pytest.raises(WrongCall, match="bix"):
        voxome.ids(LABELS, bix="0:1,:,:")  # type: ignore[call-arg]


def test_masked_arrays_are_refused() -> None:
    masked = np.ma.masked_equal(LABELS, 3)
    size = (40, 4, 4)
    for call in (
        lambda: voxome.ids(masked),
        lambda: voxome.mesh(masked, 3, voxel_size_nm=size),
        lambda: voxome.regions(LABELS, masked, voxel_size_nm=size),
        lambda: voxome.put(masked, "memory://masked", voxel_size_nm=size),
    ):
        with pytest.raises(InvalidInput, match=r"1 values of the array are masked.*array\.filled"):
            call()
    volume = voxome.put(LABELS, f"memory://{uuid4().hex}", voxel_size_nm=size)
    with pytest.raises(InvalidInput, match="are masked"):
        voxome.open(volume.uri, expect=voxome.Volume, mode="r+")[...] = masked
    assert volume.ids()[0] == 3


def test_an_array_in_which_nothing_is_masked_is_an_array() -> None:
    assert voxome.ids(np.ma.array(LABELS)).tolist() == [3, 2**63 + 5]


def test_the_background_has_no_bounding_box() -> None:
    with pytest.raises(NotFound, match="background"):
        voxome.bounding_box(LABELS, 0)
