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
from voxome.workflow.region_tables import write_regions
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


@pytest.mark.slow
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


def voxels_of(array: NDArray[Any], id: int) -> NDArray[np.intp]:
    """Return the voxels of an object, (n, 3)."""
    return np.argwhere(array == id)


def check_box(box: Any, array: NDArray[Any], id: int) -> None:
    voxels = voxels_of(array, id)
    assert (box.start, box.stop) == (tuple(voxels.min(axis=0)), tuple(voxels.max(axis=0) + 1))


def check_mesh(mesh: Any, array: NDArray[Any], id: int) -> None:
    voxels = voxels_of(array, id)
    assert np.allclose(mesh.vertices_nm.min(axis=0), voxels.min(axis=0) * SIZE)
    assert np.allclose(mesh.vertices_nm.max(axis=0), (voxels.max(axis=0) + 1) * SIZE)
    edges = np.concatenate([mesh.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    assert {tuple(edge) for edge in edges.tolist()} == {(b, a) for a, b in edges.tolist()}, "closed, and one way round"
    corners = mesh.vertices_nm[mesh.faces].astype(float)
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    whole = len(voxels) * np.prod(SIZE)
    assert whole / 6 - 1e-3 <= abs(volume) <= whole  # an octahedron, for one voxel


def check_skeleton(skeleton: Any, array: NDArray[Any], id: int) -> None:
    voxels = voxels_of(array, id)
    nodes = np.floor(skeleton.nodes_nm / SIZE).astype(int)
    assert (array[tuple(nodes.T)] == id).all()
    assert len(skeleton.edges) == len(nodes) - 1
    extent = np.ptp(skeleton.nodes_nm, axis=0)
    assert (extent >= (np.ptp(voxels, axis=0) + 1) * SIZE * 0.6 - SIZE).all()


def check_regions(table: Any, array: NDArray[Any], id: int) -> None:
    voxels = voxels_of(array, id)
    row = {name: table[name].tolist() for name in table.columns}
    assert (row["id"], row["voxels"], row["volume_nm3"]) == ([id], [len(voxels)], [len(voxels) * np.prod(SIZE)])
    for axis, name in enumerate("zyx"):
        along = voxels[:, axis]
        assert (row[f"start_{name}"], row[f"stop_{name}"]) == ([along.min()], [along.max() + 1])
        assert np.isclose(row[f"{name}_nm"], (along.mean() + 0.5) * SIZE[axis])
        others = np.delete(voxels, axis, axis=1)
        assert row[f"faces_{name}"] == [2 * len(np.unique(others, axis=0))], "of a box"
    assert all(np.isfinite(column).all() for column in row.values())


CHECKS: dict[str, Callable[[Any, NDArray[Any], int], None]] = {
    "bounding_box": check_box,
    "mesh": check_mesh,
    "meshes": check_mesh,
    "skeleton": check_skeleton,
    "skeletons": check_skeleton,
    "regions": check_regions,
    "ids": lambda ids, array, _: np.testing.assert_array_equal(ids, np.unique(array[array > 0])),
    "contacts": lambda table, *_: np.testing.assert_array_equal(table["area_nm2"], np.empty(0)),
}
"""Comparison of the result of a service with numpy's, for a box of one id."""


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_LABELS)
def test_an_object_that_touches_every_border_is_measured(name: str) -> None:
    array = np.full((3, 4, 5), 5, np.uint64)
    CHECKS[name](OF_LABELS[name](volume_of(array), 5), array, 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3)])
def test_one_voxel_is_an_object(name: str, shape: tuple[int, int, int]) -> None:
    id, array = 2**64 - 2, np.zeros(shape, np.uint64)
    array[tuple(n // 2 for n in shape)] = id
    CHECKS[name](OF_LABELS[name](volume_of(array), id), array, id)


@pytest.mark.parametrize("folder", ["/proc/sys/mesh", "{tmp_path}/file/mesh"])
def test_a_mesh_folder_on_a_read_only_place_is_refused_before_anything_is_computed(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(*_: object, **__: object) -> None:
        pytest.fail("a step was run")

    (tmp_path / "file").touch()
    monkeypatch.setattr("voxome.workflow.chain.run_step", compute)
    with pytest.raises(PlanError, match=r"/mesh: .*(cannot write|is a file, not a folder)"):
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


@pytest.mark.parametrize("write", [voxome.write_meshes, voxome.write_skeletons])
def test_negative_labels_that_jobs_find_are_those_of_the_volume(
    write: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = block(np.int64, -5)
    with pytest.raises(InvalidInput, match=r"^the array: .*the label -5; expected labels of at least 0, which is back"):
        write(labels, f"precomputed://{tmp_path}/out", voxel_size_nm=(8, 8, 8), engine="sequential")
    assert "failed" not in caplog.text


def test_negative_labels_of_measured_volumes_are_named(tmp_path: Path) -> None:
    voxome.put(block(np.int64, -5), f"zarr://{tmp_path}/a.zarr", voxel_size_nm=(8, 8, 8), kind="labels")
    with pytest.raises(InvalidInput, match=r"a\.zarr: there is the label -5; expected labels of at least 0"):
        write_regions(f"zarr://{tmp_path}/a.zarr", tmp_path / "out.parquet", engine="sequential")
