from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import MeshSource
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
