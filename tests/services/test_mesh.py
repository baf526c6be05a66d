"""Meshes of volumes: those of a store, and those that are computed from the voxels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from services.labelled import BALL, EDGES, NEURITE, SIZE, VOXEL, labels, stored
from services.test_services import segmentation
from tools.common.meshing.surfaces import face_counts, random_labels

import voxome
from voxome.contracts.abilities import SupportsIds
from voxome.contracts.uri import Uri
from voxome.errors import InvalidBox, InvalidInput, NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.memory import MemoryRemote
from voxome.resources.volume_like import ArraySource
from voxome.testing import ServiceContract
from voxome.tools.common.meshing.measures import is_watertight

OWN = 2**63 + 5


def check_ball(mesh: voxome.Mesh) -> None:
    assert is_watertight(len(mesh.vertices_nm), mesh.faces)
    low, high = np.array([(32, 12, 32), (49, 29, 49)]) * SIZE
    assert_array_equal(mesh.vertices_nm.min(axis=0), low)
    assert_array_equal(mesh.vertices_nm.max(axis=0), high)


class OnLabels(ServiceContract):
    """A service of the label volume."""

    @pytest.fixture
    def volume(self) -> voxome.Volume:
        return voxome.Volume(ArraySource(labels(), SIZE))


class TestMesh(OnLabels):
    name = "mesh"
    arguments = (BALL,)

    def check(self, result: voxome.Mesh) -> None:
        check_ball(result)


class TestMeshes(OnLabels):
    name = "meshes"

    def check(self, result: voxome.Meshes) -> None:
        assert result.ids().tolist() == [EDGES, NEURITE, BALL, VOXEL]
        check_ball(result[BALL])


class TestStoredMesh(ServiceContract):
    name = "mesh"
    arguments = (OWN,)

    @pytest.fixture
    def volume(self, tmp_path: Path) -> voxome.Volume:
        return segmentation(tmp_path)

    def check(self, result: voxome.Mesh) -> None:
        assert len(result.faces) in (4, 8)

    def test_a_tool_of_voxome_can_be_chosen(self, volume: voxome.Volume) -> None:
        with pytest.raises(NotFound, match="has no label"):
            volume.mesh(OWN, service="local")

    def test_it_takes_a_numpy_array(self, volume: voxome.Volume) -> None:
        pytest.skip("an array has no store that keeps meshes")


def faces_of(mesh: voxome.Mesh, size: Any = SIZE) -> Any:
    """Return the faces of a mesh that was not simplified, in half voxels."""
    return face_counts(np.round(mesh.vertices_nm / (np.array(size) / 2)).astype(np.int64), mesh.faces)


def test_a_mesh_of_the_store_says_so(tmp_path: Path) -> None:
    mesh = segmentation(tmp_path).mesh(OWN)
    assert mesh.provenance is not None
    assert (mesh.provenance.service, mesh.provenance.way, mesh.provenance.tool) == ("mesh", "own", "precomputed")
    assert mesh.provenance.parameters == {"id": str(OWN), "lod": 0}


def test_options_for_computing_exclude_the_store(tmp_path: Path) -> None:
    segmentation(tmp_path)
    volume = voxome.open(f"precomputed://{tmp_path}", mode="r+", expect=voxome.Volume)
    volume[...] = 0
    volume[2:4, 2:4, 2:4] = 9
    assert volume.mesh(9, max_error_nm=0).provenance.way == "local"
    with pytest.raises(InvalidInput, match=r"max_error_nm is an option of mesh(es)? that is computed"):
        volume.mesh(9, max_error_nm=0, service="own")
    assert volume.meshes().ids().tolist() == [OWN]
    assert volume.meshes(service="local").ids().tolist() == [9]


@pytest.mark.slow
@pytest.mark.parametrize("block", [(2, 2, 2), (5, 16, 3), (64, 64, 64)])
def test_blocks_do_not_change_the_faces(block: tuple[int, int, int]) -> None:
    array = random_labels((9, 12, 7))
    for id in (1, OWN):
        whole = voxome.mesh(array, id, voxel_size_nm=SIZE)
        assert faces_of(voxome.mesh(array, id, block=block, voxel_size_nm=SIZE)) == faces_of(whole)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["zarr", "n5", "precomputed", "hdf5"])
def test_all_stores_give_the_same_mesh(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stored(store, tmp_path, monkeypatch) as uri:
        volume = voxome.open(uri)
        for id in (EDGES, NEURITE, VOXEL):
            expected = voxome.mesh(labels(), id, voxel_size_nm=SIZE)
            assert faces_of(volume.mesh(id)) == faces_of(expected)
        whole = volume.meshes([VOXEL])[VOXEL]
        assert_array_equal(whole.vertices_nm.min(axis=0), np.array([31, 55, 55]) * SIZE)


@pytest.mark.slow
def test_an_index_of_labels_restricts_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    source = _Indexed(labels())
    mesh = voxome.Volume(source).mesh(BALL)
    assert faces_of(mesh) == faces_of(voxome.mesh(labels(), BALL, voxel_size_nm=SIZE))
    assert all(box in Box((32, 12, 32), (49, 29, 49)) for box in source.boxes)


def test_meshes_are_computed_from_the_boxes_of_their_objects() -> None:
    source = _Counting(labels())
    found = voxome.Volume(source).meshes()
    found.ids()
    len(found[VOXEL].faces)
    before = len(source.boxes)
    assert len(found[BALL].faces) > 100
    assert all(box in Box((32, 12, 32), (49, 29, 49)) for box in source.boxes[before:])


def test_domains_that_do_not_start_at_zero_keep_their_positions() -> None:
    size = (5.24, 4.0, 3.7)
    for start in ((60, 3, 7), (128, 3, 7)):
        spec = voxome.VolumeSpec.of((9, 9, 9), "uint64", kind="labels", voxel_size_nm=size).replace(
            domain=Box.of_shape((9, 9, 9), start)
        )
        with _memory(spec) as volume:
            volume[2:5, 1:4, 3:8] = 5
            mesh = volume.mesh(5)
            low, high = (np.array(at) + start for at in ((2, 1, 3), (5, 4, 8)))
            assert_array_equal(mesh.vertices_nm.min(axis=0), np.float32(low * size))
            assert_array_equal(mesh.vertices_nm.max(axis=0), np.float32(high * size))


@pytest.mark.slow
def test_levels_of_a_pyramid_are_at_the_same_place(tmp_path: Path) -> None:
    array = np.zeros((16, 32, 32), np.uint64)
    array[4:12, 8:24, 8:24] = 6
    uri = f"zarr://{tmp_path}/labels.zarr"
    volume = voxome.put(array, uri, voxel_size_nm=(40, 8, 8))
    voxome.downsample(volume, factors=(2, 2, 2), levels=2)
    for level in (0, 1):
        mesh = voxome.open(uri).mesh(6, level=level)
        assert_allclose(mesh.vertices_nm.min(axis=0), [160, 64, 64])
        assert_allclose(mesh.vertices_nm.max(axis=0), [480, 192, 192])
    at_level = voxome.open(uri).level(1).mesh(6)
    assert_allclose(at_level.vertices_nm.min(axis=0), [160, 64, 64])


def test_a_box_closes_the_mesh_at_its_faces() -> None:
    mesh = voxome.mesh(labels(), EDGES, box="10:20,0:64,0:64", voxel_size_nm=SIZE)
    assert is_watertight(len(mesh.vertices_nm), mesh.faces)
    assert_array_equal(mesh.vertices_nm.min(axis=0), np.array([10, 0, 0]) * SIZE)
    assert_array_equal(mesh.vertices_nm.max(axis=0), np.array([20, 64, 64]) * SIZE)
    found = voxome.meshes(labels(), box="10:20,0:64,0:64", voxel_size_nm=SIZE)
    assert found.ids().tolist() == [EDGES, NEURITE]
    with pytest.raises(NotFound, match=f"no label {BALL} in 10:20,0:64,0:64"):
        found.mesh(BALL)
    with pytest.raises(InvalidBox, match="leaves the array"):
        voxome.mesh(labels(), EDGES, box="10:20,0:64,0:65", voxel_size_nm=SIZE)


@pytest.mark.slow
def test_an_error_bound_and_levels_of_detail_reduce_the_faces() -> None:
    exact = voxome.mesh(labels(), BALL, voxel_size_nm=SIZE)
    meshes = voxome.meshes(labels(), [BALL], max_error_nm=10, voxel_size_nm=SIZE)
    counts = [len(meshes.mesh(BALL, lod).faces) for lod in range(3)]
    assert len(exact.faces) > counts[0] > counts[1] > counts[2] >= 4
    with pytest.raises(NotFound, match="levels of detail 0 to 9, not 10"):
        meshes.mesh(BALL, 10)
    with pytest.raises(NotFound, match=f"object {VOXEL} is not among those that were chosen"):
        meshes.mesh(VOXEL)


@pytest.mark.parametrize("error", [-1, np.nan, np.inf, 1j])
def test_an_error_bound_is_a_distance(error: Any) -> None:
    with pytest.raises(InvalidInput, match="expected a distance in nm of at least 0"):
        voxome.mesh(labels(), BALL, max_error_nm=error, voxel_size_nm=SIZE)


def test_a_volume_without_voxel_size_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"has no voxel size; pass voxel_size_nm=\(z, y, x\)"):
        voxome.mesh(labels(), BALL)


def test_background_has_no_mesh() -> None:
    with pytest.raises(NotFound, match="0 is background"):
        voxome.mesh(labels(), 0, voxel_size_nm=SIZE)


@pytest.mark.parametrize("id", [256, 2**53, 2**64 - 1])
def test_an_id_beyond_the_dtype_is_not_there(id: int) -> None:
    array = np.full((3, 3, 3), 255, np.uint8)
    with pytest.raises(NotFound, match=f"has no label {id}"):
        voxome.mesh(array, id, voxel_size_nm=SIZE)


def test_signed_labels_are_meshed_like_unsigned_ones() -> None:
    array = (random_labels((5, 5, 5), ids=(0, 1, 2))).astype(np.int16)
    one, other = (voxome.mesh(a, 2, voxel_size_nm=SIZE) for a in (array, array.astype(np.uint64)))
    assert faces_of(one) == faces_of(other)


class _Counting(ArraySource):
    """An array that remembers which boxes were read."""

    def __init__(self, array: NDArray[Any]) -> None:
        super().__init__(array, SIZE)
        self.boxes: list[Box] = []

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        self.boxes.append(box)
        return super().read(box, out=out)


class _Indexed(_Counting):
    """An array with an index of its labels."""

    def ability(self, protocol: type) -> Any:
        return self if protocol is SupportsIds else None

    def ids(self, box: Box) -> NDArray[np.uint64]:
        raise AssertionError("all ids are not needed for one mesh")

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        return Box((32, 12, 32), (49, 29, 49))


@contextmanager
def _memory(spec: voxome.VolumeSpec) -> Iterator[voxome.Volume]:
    name = uuid4().hex
    yield voxome.create(f"memory://{name}", spec)
    MemoryRemote().delete(Uri("memory", name))


def test_a_store_without_meshes_can_be_made_to_compute_them(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="this store keeps no meshes"):
        voxome.mesh(labels(), BALL, voxel_size_nm=SIZE, service="own")


def test_the_facts_of_computed_meshes_take_no_pass_over_the_voxels() -> None:
    facts = voxome.info(voxome.meshes(np.ones((3, 3, 3), np.uint8), voxel_size_nm=(8, 8, 8), max_error_nm=4))
    assert facts["objects"] is None
    assert facts["made_with"]["max_error_nm"] == 4
