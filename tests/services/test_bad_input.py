"""What services of labels do with an id that is not there, floats, negative ids, and objects at the limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.errors import InvalidInput, NotFound, PlanError
from voxome.resources.volume_like import as_volume
from voxome.workflow.shapes import write_meshes

SIZE = (40.0, 16.0, 8.0)
Call = Callable[[voxome.Volume, int], Any]

OF_AN_ID: dict[str, Call] = {
    "bounding_box": lambda volume, id: volume.bounding_box(id),
    "mesh": lambda volume, id: volume.mesh(id),
    "meshes": lambda volume, id: volume.meshes([id])[id],
    "skeleton": lambda volume, id: volume.skeleton(id),
    "skeletons": lambda volume, id: volume.skeletons()[id],
    "regions": lambda volume, id: volume.regions(ids=[id]),
}
"""Services of one object."""
OF_LABELS: dict[str, Call] = {
    **OF_AN_ID,
    "ids": lambda volume, _: volume.ids(),
    "contacts": lambda volume, _: volume.contacts(),
}
"""All services of labels."""


def volume_of(array: NDArray[Any]) -> voxome.Volume:
    return as_volume(array, voxel_size_nm=SIZE)


def block(dtype: Any = np.uint64, value: float = 5) -> NDArray[Any]:
    array = np.zeros((6, 7, 8), dtype)
    array[1:4, 2:5, 3:6] = value
    return array


@pytest.mark.parametrize("name", OF_AN_ID)
def test_an_id_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(NotFound, match="6"):
        OF_AN_ID[name](volume_of(block()), 6)


@pytest.mark.parametrize("name", OF_LABELS)
def test_float_volumes_are_refused_by_their_dtype(name: str) -> None:
    for value in (5.0, 1.5, np.nan):
        with pytest.raises(InvalidInput, match="float32"):
            OF_LABELS[name](volume_of(block(np.float32, value)), 5)


@pytest.mark.parametrize("name", OF_LABELS)
def test_negative_ids_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="-5"):
        OF_LABELS[name](volume_of(block(np.int64, -5)), 5)


@pytest.mark.parametrize("name", OF_LABELS)
def test_an_object_that_touches_every_border_is_measured(name: str) -> None:
    OF_LABELS[name](volume_of(np.full((3, 4, 5), 5, np.uint64)), 5)
    assert volume_of(np.full((3, 4, 5), 5, np.uint64)).bounding_box(5).shape == (3, 4, 5)


@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3)])
def test_one_voxel_is_an_object(name: str, shape: tuple[int, int, int]) -> None:
    array = np.zeros(shape, np.uint64)
    array[tuple(n // 2 for n in shape)] = 2**64 - 2
    OF_LABELS[name](volume_of(array), 2**64 - 2)
    table = volume_of(array).regions()
    assert table["id"].tolist() == [2**64 - 2]
    assert all(np.isfinite(table[name]).all() for name in table.columns)


@pytest.mark.parametrize("folder", ["/proc/sys/mesh", "{tmp_path}/file/mesh"])
def test_a_mesh_folder_on_a_read_only_place_is_refused_before_anything_is_computed(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(*_: object, **__: object) -> None:
        pytest.fail("a step was run")

    (tmp_path / "file").touch()
    monkeypatch.setattr("voxome.workflow.chain.run_step", compute)
    with pytest.raises(PlanError, match=r"cannot write .*/mesh: "):
        write_meshes(block(), f"precomputed://{folder.format(tmp_path=tmp_path)}", voxel_size_nm=SIZE, workers=1)
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "state"}


@pytest.mark.slow
def test_a_million_ids_are_exact() -> None:
    rng = np.random.default_rng(0)
    ids = np.unique(rng.integers(1, 2**63, 1_000_500, dtype=np.uint64))[:1_000_000]
    array = rng.permutation(ids).reshape(100, 100, 100)
    volume = volume_of(array)
    assert np.array_equal(volume.ids(), ids)
    table = volume.regions()
    assert np.array_equal(table["id"], ids)
    assert (table["voxels"] == 1).all()
    assert len(volume.contacts()) == 3 * 100 * 100 * 99
