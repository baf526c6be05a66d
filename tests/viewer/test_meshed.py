from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.shapes import Mesh
from voxome.contracts.source import MeshSource
from voxome.errors import NotFound
from voxome.viewer import meshed
from voxome.viewer.meshed import with_meshes

ID = 2**40 + 1


def labels(uri: str, **options: Any) -> voxome.Volume:
    spec = voxome.VolumeSpec.of((16, 16, 16), "uint64", kind="labels", voxel_size_nm=(40, 8, 4)).replace(**options)
    volume = voxome.create(uri, spec)
    volume[4:8, 4:8, 4:8] = ID if spec.kind == "labels" else 1
    return volume


def test_labels_get_meshes_and_keep_what_they_can_do() -> None:
    volume = labels("memory://meshed")
    source = with_meshes(volume)
    found = ability(source, MeshSource)
    assert found is not None
    mesh = found.mesh(ID)
    np.testing.assert_array_equal(mesh.vertices_nm.min(axis=0), [160, 32, 16])
    np.testing.assert_array_equal(mesh.vertices_nm.max(axis=0), [320, 64, 32])
    np.testing.assert_array_equal(source.read(volume.domain), volume[...])
    assert (ability(source, SupportsLevels) is None) == (ability(volume.source, SupportsLevels) is None)


def test_a_large_volume_is_meshed_at_a_level_that_is_small_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = labels(f"zarr://{tmp_path}/a.zarr")
    volume.source.create_level((2, 2, 2))  # type: ignore[attr-defined]
    coarse = voxome.open(volume.uri, mode="r+", level=1)
    coarse[...] = volume[::2, ::2, ::2]
    volume = voxome.open(volume.uri, expect=voxome.Volume)
    monkeypatch.setattr(meshed, "MOST_VOXELS", 1000)
    found = ability(with_meshes(volume), MeshSource)
    assert found is not None
    assert np.ptp(found.mesh(ID).vertices_nm, axis=0).tolist() == [160, 32, 16]
    monkeypatch.setattr(meshed, "MOST_VOXELS", 10)
    assert ability(with_meshes(volume), MeshSource) is None


def test_images_and_labels_of_unknown_size_have_none() -> None:
    assert ability(with_meshes(labels("memory://meshed-image", kind="image")), MeshSource) is None
    assert ability(with_meshes(labels("memory://meshed-unknown", voxel_size_nm=None)), MeshSource) is None


def test_a_mesh_is_computed_once_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted:
        def __init__(self) -> None:
            self.calls: list[int] = []

        def ids(self) -> NDArray[np.uint64]:
            return np.array([1, 2], np.uint64)

        def mesh(self, id: int, lod: int = 0) -> Mesh:
            self.calls.append(id)
            if id == 404:
                raise NotFound("no object 404")
            return Mesh(np.zeros((10, 3), np.float32), np.zeros((1, 3), np.uint32))

    counted = Counted()
    kept = meshed.KeptMeshes(counted)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(kept.mesh, [1, 2] * 10))
    assert sorted(counted.calls) == [1, 2]
    for _ in range(2):
        with pytest.raises(NotFound):
            kept.mesh(404)
    assert counted.calls.count(404) == 2
    monkeypatch.setattr(meshed, "MOST_BYTES", 300)  # of two of them
    for id in (1, 3, 1, 3, 2):
        kept.mesh(id)
    assert counted.calls.count(1) == 1
    assert counted.calls.count(2) == 2
