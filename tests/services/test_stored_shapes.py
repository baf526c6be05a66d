"""Stored meshes and skeletons say so when the voxels have changed since they were made."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.abilities import most_detailed_version
from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.errors import NotFound
from voxome.resources.provenance import record
from voxome.services import stored_shapes

SIZE = (20.0, 10.0, 10.0)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))


@pytest.fixture
def labels(tmp_path: Path) -> str:
    """A segmentation with meshes and skeletons."""
    uri = f"precomputed://{tmp_path}/labels"
    spec = voxome.VolumeSpec.of((8, 8, 24), "uint64", kind="labels", voxel_size_nm=SIZE, chunk=(8, 8, 8))
    array = np.zeros((8, 8, 24), np.uint64)
    array[2:6, 2:6, 2:22] = 7
    voxome.create(uri, spec)[...] = array
    voxome.write_meshes(uri, f"{uri}/mesh", engine="sequential")
    voxome.write_skeletons(uri, f"{uri}/skeletons", engine="sequential")
    return uri


def shapes(uri: str) -> dict[str, Provenance | None]:
    """Return the provenance of what every service gives."""
    volume = voxome.open(uri, expect=voxome.Volume)
    return {
        "mesh": volume.mesh(7).provenance,
        "meshes": volume.meshes().provenance,
        "one of meshes": volume.meshes()[7].provenance,
        "skeleton": volume.skeleton(7).provenance,
        "skeletons": volume.skeletons().provenance,
        "one of skeletons": volume.skeletons()[7].provenance,
    }


def warnings_of(found: dict[str, Any]) -> dict[str, int]:
    return {name: len(one.warnings) for name, one in found.items()}


@pytest.mark.slow
def test_there_is_no_warning_while_the_voxels_are_the_same(labels: str, caplog: pytest.LogCaptureFixture) -> None:
    voxome.downsample(labels, levels=2)
    found = shapes(labels)
    assert set(warnings_of(found).values()) == {0}
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert found["mesh"] is not None
    assert (found["mesh"].service, found["mesh"].way, found["mesh"].parameters["id"]) == ("mesh", "own", "7")


@pytest.mark.slow
def test_a_warning_says_that_voxels_have_changed(labels: str, caplog: pytest.LogCaptureFixture) -> None:
    before = voxome.open(labels, expect=voxome.Volume).meshes()
    voxome.open(labels, expect=voxome.Volume, mode="r+")[2:6, 2:6, 20:22] = 0
    found = shapes(labels)
    assert set(warnings_of(found).values()) == {1}
    assert found["mesh"] is not None
    (warning,) = found["mesh"].warnings
    assert f"{labels}: its mesh of " in warning
    assert "may be outdated" in warning
    assert "service='local'" in warning
    assert warning in caplog.messages
    late = before[7].provenance
    assert late is not None
    assert late.warnings
    assert voxome.open(labels, expect=voxome.Volume).mesh(7, service="local").provenance.warnings == ()  # type: ignore[union-attr]
    voxome.write_meshes(labels, f"{labels}/mesh", engine="sequential", overwrite=True)
    assert warnings_of(shapes(labels))["mesh"] == 0


@pytest.mark.slow
def test_a_coarser_level_is_compared_with_itself(labels: str, tmp_path: Path) -> None:
    voxome.downsample(labels, levels=2)
    shutil.rmtree(tmp_path / "labels" / "mesh")
    voxome.write_meshes(labels, f"{labels}/mesh", engine="sequential", level=1)
    assert warnings_of(shapes(labels))["mesh"] == 0
    voxome.open(labels, expect=voxome.Volume, level=1, mode="r+")[0:2, 0:2, 0:2] = 7
    assert warnings_of(shapes(labels))["mesh"] == 1


@pytest.mark.slow
def test_a_copy_elsewhere_is_not_compared(labels: str, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "labels", tmp_path / "copy")
    voxome.open(labels, expect=voxome.Volume, mode="r+")[2:6, 2:6, 20:22] = 0
    assert set(warnings_of(shapes(f"precomputed://{tmp_path}/copy")).values()) == {0}


@pytest.mark.slow
def test_without_a_version_there_is_no_warning(labels: str, tmp_path: Path) -> None:
    volume = voxome.open(labels, expect=voxome.Volume)
    unknown = Provenance.now("meshes", LOCAL, "lab", "1", {}, [InputRecord("labels", labels)])
    for folder in ("mesh", "skeletons"):
        record(voxome.open(f"{labels}/{folder}", mode="r+").source, unknown, name=folder)
    volume = voxome.open(labels, expect=voxome.Volume, mode="r+")
    volume[2:6, 2:6, 20:22] = 0
    assert set(warnings_of(shapes(labels)).values()) == {0}


@pytest.mark.slow
@pytest.mark.parametrize(("long_s", "looks"), [(1e9, 5), (0.0, 1)])
def test_a_version_that_takes_long_is_not_looked_for_again_at_once(
    labels: str, long_s: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []

    def look(source: Any) -> Any:
        found.append(source)
        return most_detailed_version(source)

    monkeypatch.setattr(stored_shapes, "most_detailed_version", look)
    monkeypatch.setattr(stored_shapes, "_LONG_S", long_s)
    monkeypatch.setattr(stored_shapes, "_PATIENCE", 1e9)
    monkeypatch.setattr(stored_shapes, "_slow", {})
    volume = voxome.open(labels, expect=voxome.Volume)
    for _ in range(5):
        volume.mesh(7)
    assert len(found) == looks


@pytest.mark.slow
def test_shapes_of_a_part_do_not_stand_for_those_of_the_whole(labels: str) -> None:
    part = {"box": "0:8,0:8,0:8", "overwrite": True, "engine": "sequential"}
    voxome.write_meshes(labels, f"{labels}/mesh", **part)
    voxome.write_skeletons(labels, f"{labels}/skeletons", **part)
    volume = voxome.open(labels, expect=voxome.Volume)
    for mesh in (volume.mesh(7), volume.meshes()[7]):
        assert mesh.vertices_nm.max(axis=0)[2] == 220
        assert mesh.provenance.way == LOCAL
    for skeleton in (volume.skeleton(7), volume.skeletons()[7]):
        assert skeleton.nodes_nm.max(axis=0)[2] > 150
    assert volume.mesh(7, service="own").vertices_nm.max(axis=0)[2] == 80
    assert volume.skeletons(service="own")[7].nodes_nm.max(axis=0)[2] <= 80


@pytest.mark.slow
def test_a_segment_that_was_too_small_to_be_stored_is_computed(labels: str) -> None:
    voxome.open(labels, mode="r+")[0, 0, 0] = 3
    voxome.write_meshes(labels, f"{labels}/mesh", min_volume_nm3=1e5, overwrite=True, engine="sequential")
    volume = voxome.open(labels, expect=voxome.Volume)
    assert volume.meshes().ids().tolist() == [7]
    assert volume.mesh(3).vertices_nm.max() <= 20
    with pytest.raises(NotFound, match="5"):
        volume.mesh(5)
