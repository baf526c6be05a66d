"""Meshes and skeletons of all objects, through the command line and from Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import voxome
from voxome.cli.main import app
from voxome.errors import AlreadyExists, InvalidInput, InvalidUri, PlanError
from voxome.resources.table import TableFile

SIZE = (20.0, 10.0, 10.0)
IDS = [3, 2**53 + 1, 2**63 + 5]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> str:
    array = np.zeros((12, 16, 40), np.uint64)
    array[4:8, 4:8, 2:38] = IDS[0]
    array[10:, :, :] = IDS[1]
    array[1, 1, 1] = IDS[2]
    uri = f"precomputed://{tmp_path_factory.mktemp('labels')}/labels"
    spec = voxome.VolumeSpec.of(array.shape, "uint64", kind="labels", voxel_size_nm=SIZE, chunk=(6, 8, 16))
    voxome.create(uri, spec)[...] = array
    return uri


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_meshes_of_all_objects_are_written(labels: str, tmp_path: Path, state: Path) -> None:
    table = tmp_path / "objects.parquet"
    out = f"precomputed://{tmp_path}/mesh"
    options = {"block": (6, 8, 16), "engine": "sequential", "table": table}
    meshes = voxome.write_meshes(labels, out, **options)
    assert meshes.ids().tolist() == IDS
    assert meshes[3].vertices_nm.min(axis=0) == pytest.approx([80, 40, 20], abs=0.1)
    assert meshes[3].vertices_nm.max(axis=0) == pytest.approx([160, 80, 380], abs=0.1)
    rows = TableFile(table).read()
    assert rows["id"].tolist() == IDS
    assert rows["voxels"].tolist() == [4 * 4 * 36, 2 * 16 * 40, 1]
    assert rows["watertight"].all()
    (origin,) = voxome.provenance(out)
    assert [(one.name, one.uri) for one in origin.inputs] == [("labels", labels)]
    assert not list(state.glob("shapes-*"))


def test_a_repeated_call_writes_nothing(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/files?sharded=false"
    options = {"block": (12, 16, 40), "engine": "sequential"}
    voxome.write_meshes(labels, out, **options)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "files").rglob("[0-9]*")}
    assert len(before) == 6
    voxome.write_meshes(labels, out, **options)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "files").rglob("[0-9]*")} == before


def test_meshes_of_another_call_are_kept(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/mesh?format=legacy"
    voxome.write_meshes(labels, out, block=(12, 16, 40), engine="sequential")
    before = voxome.open(out.partition("?")[0]).ids().tolist()
    with pytest.raises(PlanError, match="has meshes of another call; choose"):
        voxome.write_meshes(labels, out, block=(12, 16, 40), engine="sequential", min_volume_nm3=10_000)
    assert voxome.open(out.partition("?")[0]).ids().tolist() == before


def test_skeletons_of_all_objects_are_written(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/skeletons"
    options = {"block": (6, 8, 16), "engine": "sequential", "const_nm": 50}
    skeletons = voxome.write_skeletons(labels, out, **options)
    assert skeletons.ids().tolist() == IDS
    assert skeletons[3].nodes_nm[:, 2].min() < 60
    assert skeletons[3].nodes_nm[:, 2].max() > 340
    assert len(skeletons[2**63 + 5].nodes_nm) == 1


@pytest.mark.slow
def test_the_verbs_write_them(labels: str, tmp_path: Path) -> None:
    for verb, kind in (("mesh", "meshes"), ("skeletonize", "skeletons")):
        out = f"precomputed://{tmp_path}/{verb}"
        arguments = [verb, labels, "--out", out, "--block", "12,16,40", "--engine", "sequential", "--json"]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == {"uri": out, kind: 3, "table": None}


def test_an_array_is_meshed(tmp_path: Path) -> None:
    array = np.ones((3, 3, 3), np.uint32)
    meshes = voxome.write_meshes(array, f"precomputed://{tmp_path}/mesh", voxel_size_nm=SIZE, engine="sequential")
    assert meshes[1].vertices_nm.max(axis=0) == pytest.approx([60, 30, 30], abs=0.1)


def test_problems_are_reported_before_anything_is_written(labels: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidUri, match="precomputed://FOLDER"):
        voxome.write_meshes(labels, tmp_path / "mesh")
    with pytest.raises(PlanError, match="does not store meshes"):
        voxome.write_meshes(labels, f"zarr://{tmp_path}/mesh")
    with pytest.raises(PlanError, match="sharded"):
        voxome.write_meshes(labels, f"precomputed://{tmp_path}/mesh?shardet=false")
    with pytest.raises(PlanError, match="max_error_nm"):
        voxome.write_meshes(labels, f"precomputed://{tmp_path}/mesh", max_error_nm=-1)
    with pytest.raises(InvalidInput, match="no voxel size"):
        voxome.write_meshes(np.ones((3, 3, 3), np.uint32), f"precomputed://{tmp_path}/mesh")
    with pytest.raises(InvalidInput, match="float32"):
        voxome.write_meshes(np.ones((3, 3, 3), np.float32), f"precomputed://{tmp_path}/mesh", voxel_size_nm=SIZE)
    assert not (tmp_path / "mesh").exists()


def test_levels_that_do_not_share_the_corner_are_placed_or_refused(tmp_path: Path) -> None:
    array = np.zeros((16, 16, 32), np.uint64)
    array[4:12, 4:12, 4:28] = 7
    labels = f"zarr://{tmp_path}/labels.zarr"
    voxome.put(array, labels, kind="labels", voxel_size_nm=(16, 16, 16))
    voxome.downsample(labels, method="stride", levels=2)
    mesh = voxome.mesh(labels, 7, level=1)
    assert mesh.vertices_nm.min(axis=0) == pytest.approx([56, 56, 56])
    skeleton = voxome.skeleton(labels, 7, level=1)
    assert (skeleton.nodes_nm.min(axis=0) > [56, 56, 56]).all()
    assert (skeleton.nodes_nm.max(axis=0) < [184, 184, 440]).all()
    with pytest.raises(InvalidInput, match="does not begin at the corner of level 0"):
        voxome.write_meshes(labels, f"precomputed://{tmp_path}/mesh", level=1)


def test_two_calls_never_share_a_folder(labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = f"precomputed://{tmp_path}/mesh"
    monkeypatch.setattr("voxome.kinds.shapes._record_of", lambda uri: (None, False))
    (tmp_path / "mesh" / ".voxome").mkdir(parents=True)
    (tmp_path / "mesh" / ".voxome" / "shapes.json").write_text("{}")
    with pytest.raises(AlreadyExists):
        voxome.write_meshes(labels, out, engine="sequential")
