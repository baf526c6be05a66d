"""Meshes and skeletons of all objects, through the command line and from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import voxome
from voxome.blocks.progress import StepReport
from voxome.cli.main import app
from voxome.contracts.kinds import Target
from voxome.errors import AlreadyExists, InvalidInput, InvalidUri, PlanError, RunFailed, RunLocked, WrongCall
from voxome.kinds.shapes import Meshes
from voxome.kinds.table import Table
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
    (made,) = voxome.provenance(table)
    assert made.tool == "common.meshes"
    assert made.inputs == origin.inputs


@pytest.mark.slow
def test_a_repeated_call_writes_nothing(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/files?sharded=false"
    options = {"block": (12, 16, 40), "engine": "sequential"}
    voxome.write_meshes(labels, out, **options)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "files").rglob("[0-9]*")}
    assert len(before) == 6
    voxome.write_meshes(labels, out, **options)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "files").rglob("[0-9]*")} == before


@pytest.mark.slow
def test_meshes_of_another_call_are_kept(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/mesh?format=legacy"
    voxome.write_meshes(labels, out, block=(12, 16, 40), engine="sequential")
    before = voxome.open(out.partition("?")[0]).ids().tolist()
    with pytest.raises(PlanError, match=r"another call, with min_volume_nm3 0\.0 rather than 10000\.0; choose"):
        voxome.write_meshes(labels, out, block=(12, 16, 40), engine="sequential", min_volume_nm3=10_000)
    with pytest.raises(PlanError, match="another call, with the same parameters, and other labels, another box, or"):
        voxome.write_meshes(labels, out, block=(12, 16, 40), engine="sequential", box="0:12,0:16,0:40")
    assert voxome.open(out.partition("?")[0]).ids().tolist() == before


BLOCK: dict[str, Any] = {"block": (12, 16, 40), "engine": "sequential"}


@pytest.mark.slow
def test_meshes_of_another_call_are_replaced_if_that_is_wanted(labels: str, tmp_path: Path) -> None:
    out, table = f"precomputed://{tmp_path}/mesh", tmp_path / "objects.parquet"
    voxome.write_meshes(labels, out, table=table, **BLOCK)
    few = {"min_volume_nm3": 5_000_000, "table": table}
    with pytest.raises(PlanError, match=r"(?s)meshes of another call.*objects.parquet exists.*--overwrite"):
        voxome.write_meshes(labels, out, **few, **BLOCK)
    assert voxome.write_meshes(labels, out, overwrite=True, **few, **BLOCK).ids().tolist() != IDS
    assert TableFile(table).read()["meshed"].tolist().count(False) >= 1


@pytest.mark.slow
def test_nothing_is_replaced_by_a_call_that_cannot_start(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/mesh"
    voxome.write_meshes(labels, out, **BLOCK)
    for wrong in ({"max_error_nm": -1.0}, {"table": labels.removeprefix("precomputed://") + "/info"}):
        with pytest.raises(PlanError):
            voxome.write_meshes(labels, out, overwrite=True, **wrong, **BLOCK)
    with pytest.raises(PlanError):
        voxome.write_meshes(labels, f"{out}?bits=11", overwrite=True, **BLOCK)
    assert voxome.open(out).ids().tolist() == IDS


@pytest.mark.slow
def test_only_shapes_of_the_same_type_are_replaced(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/shapes"
    with pytest.raises(PlanError, match="has data of another program"):
        voxome.write_meshes(labels, labels, overwrite=True, **BLOCK)
    voxome.write_meshes(labels, out, **BLOCK)
    with pytest.raises(PlanError, match="has meshes of voxome"):
        voxome.write_skeletons(labels, out, overwrite=True, **BLOCK)
    assert voxome.open(out).ids().tolist() == IDS


FOREIGN = ("notes.txt", "notes/info", "segment_properties/provenance", ".hidden")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["precomputed", "meshfiles"])
def test_files_of_others_are_not_removed_with_shapes(labels: str, tmp_path: Path, format: str) -> None:
    out = f"{format}://{tmp_path}/shapes"
    voxome.write_meshes(labels, out, **BLOCK)
    for name in FOREIGN:
        file = tmp_path / "shapes" / name
        folder = not file.parent.exists()
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
        with pytest.raises(PlanError, match=f"of others, {name.partition('/')[0]};"):
            voxome.write_meshes(labels, out, overwrite=True, min_volume_nm3=1.0, **BLOCK)
        with pytest.raises(AlreadyExists, match="of others"):
            voxome.write_meshes(labels, out, fresh=True, **BLOCK)
        assert file.read_text() == "x"
        file.unlink()
        if folder:
            file.parent.rmdir()
    assert voxome.open(out).ids().tolist() == IDS


@pytest.mark.slow
def test_segment_properties_with_measures_are_not_removed_with_meshes(labels: str, tmp_path: Path) -> None:
    out, info = f"precomputed://{tmp_path}/mesh", tmp_path / "mesh" / "segment_properties" / "info"
    voxome.write_meshes(labels, out, **BLOCK)
    content = json.loads(info.read_text())
    content["inline"]["properties"] = [{"id": "label", "type": "label", "values": ["a", "b", "c"]}]
    info.write_text(json.dumps(content))
    with pytest.raises(PlanError, match="of others, segment_properties;"):
        voxome.write_meshes(labels, out, overwrite=True, min_volume_nm3=1.0, **BLOCK)
    assert json.loads(info.read_text()) == content


@pytest.mark.slow
def test_a_fresh_call_computes_everything_again(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/files?sharded=false"
    voxome.write_meshes(labels, out, **BLOCK)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "files").rglob("[0-9]*")}
    voxome.write_meshes(labels, out, overwrite=True, **BLOCK)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "files").rglob("[0-9]*")} == before
    voxome.write_meshes(labels, out, fresh=True, **BLOCK)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "files").rglob("[0-9]*")}
    assert all(after[path] > time for path, time in before.items())


@pytest.mark.slow
def test_a_fresh_call_keeps_the_meshes_of_another(labels: str, tmp_path: Path) -> None:
    out = f"precomputed://{tmp_path}/mesh"
    voxome.write_meshes(labels, out, **BLOCK)
    with pytest.raises(PlanError, match="another call"):
        voxome.write_meshes(labels, out, fresh=True, min_volume_nm3=1.0, **BLOCK)
    assert voxome.open(out).ids().tolist() == IDS


@pytest.mark.slow
def test_a_table_gets_its_provenance_after_an_interruption(
    labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, table = f"precomputed://{tmp_path}/mesh", tmp_path / "objects.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(Table, "finish", lambda self, target: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            voxome.write_meshes(labels, out, table=table, **BLOCK)
    assert voxome.provenance(table) == ()
    voxome.write_meshes(labels, out, table=table, **BLOCK)
    assert len(voxome.provenance(table)) == 1


def test_unknown_options_are_named(labels: str, tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match=r"Unknown argument 'blok' of write_meshes\(\); did you mean 'block'"):
        voxome.write_meshes(labels, f"precomputed://{tmp_path}/mesh", blok=(4, 4, 4))  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match="overwrite"):
        voxome.write_skeletons(labels, f"precomputed://{tmp_path}/s", overwrite="yes")  # type: ignore[arg-type]


@pytest.mark.slow
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
        facts = voxome.info(out)
        assert facts["objects"] == 3
        assert facts["made_with"]["min_volume_nm3"] == 0
        again = CliRunner().invoke(app, [*arguments, "--overwrite", "--min-volume", "5e6"])
        assert json.loads(again.stdout)[kind] < 3, again.output
        assert CliRunner().invoke(app, [*arguments, "--fresh"]).exit_code != 0


@pytest.mark.slow
def test_a_tool_replaces_shapes_of_another_call(labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    common = ["--out", f"{tmp_path}/store", "--engine", "sequential"]
    done = CliRunner().invoke(app, ["tool", "common.mesh_pieces", "--labels", labels, "--block", "12,16,40", *common])
    assert done.exit_code == 0, done.output
    out = f"precomputed://{tmp_path}/mesh"
    arguments = ["tool", "common.meshes", "--pieces", "pieces.handle.json", "--into", f"meshes={out}", *common]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    few = [*arguments, "--min-volume-nm3", "5e6"]
    refused = CliRunner().invoke(app, few)
    assert "--overwrite" in str(refused.exception)
    assert voxome.open(out).ids().tolist() == IDS
    assert CliRunner().invoke(app, [*few, "--overwrite"]).exit_code == 0
    assert voxome.open(out).ids().tolist() != IDS
    again = CliRunner().invoke(app, [*few, "--fresh"])
    assert again.exit_code == 0, again.output
    assert voxome.open(out).ids().tolist() != IDS


@pytest.mark.slow
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


@pytest.mark.parametrize("name", ["t.txt", "t.csv", "t"])
def test_a_table_of_objects_is_a_parquet_file(labels: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(PlanError, match=rf"{name} is to be a Parquet table; end its name in \.parquet"):
        voxome.write_meshes(labels, f"precomputed://{tmp_path}/mesh", table=tmp_path / name, **BLOCK)
    assert not list(tmp_path.glob("[mt]*"))


@pytest.mark.slow
def test_levels_that_do_not_share_the_corner_are_placed_or_refused(tmp_path: Path) -> None:
    array = np.zeros((16, 16, 32), np.uint64)
    array[4:12, 4:12, 4:28] = 7
    labels = f"zarr://{tmp_path}/labels.zarr"
    voxome.put(array, labels, kind="labels", voxel_size_nm=(16, 16, 16))
    voxome.downsample(labels, method="stride", levels=2)
    opened = voxome.open(labels, expect=voxome.Volume)
    ways = [(labels, {"level": 1}), (f"{labels}?level=1", {}), (opened.level(1), {}), (opened, {"level": 1})]
    for volume, options in ways:
        mesh = voxome.mesh(volume, 7, **options)
        assert mesh.vertices_nm.min(axis=0) == pytest.approx([56, 56, 56])
        skeleton = voxome.skeleton(volume, 7, **options)
        assert (skeleton.nodes_nm.min(axis=0) > [56, 56, 56]).all()
        assert (skeleton.nodes_nm.max(axis=0) < [184, 184, 440]).all()
        with pytest.raises(InvalidInput, match="does not begin at the corner of level 0"):
            voxome.write_meshes(volume, f"precomputed://{tmp_path}/mesh", **options)
        middle = mesh.vertices_nm.min(axis=0) / 2 + mesh.vertices_nm.max(axis=0) / 2
        if not options:
            row = voxome.regions(volume).row(7)
            assert [row["z_nm"], row["y_nm"], row["x_nm"]] == pytest.approx(middle.tolist())
    in_memory = voxome.downsample(array, method="stride", levels=2, voxel_size_nm=(16, 16, 16)).volume.level(1)
    assert voxome.mesh(in_memory, 7).vertices_nm.min(axis=0) == pytest.approx([56, 56, 56])


@pytest.mark.slow
@pytest.mark.parametrize("own_stores", [False, True])
def test_two_calls_never_share_a_folder(labels: str, tmp_path: Path, *, own_stores: bool) -> None:
    out = f"precomputed://{tmp_path}/mesh"
    stores = [{"store": tmp_path / name} if own_stores else {} for name in "ab"]
    refused: list[RunLocked] = []

    def call_another(report: StepReport) -> None:
        other = {"min_volume_nm3": 5_000_000, "overwrite": True, **stores[1], **BLOCK}
        with pytest.raises(RunLocked, match=r"another call .*is writing to .*mesh") as caught:
            voxome.write_meshes(labels, out, **other)
        refused.append(caught.value)

    meshes = voxome.write_meshes(labels, out, progress=call_another, **stores[0], **BLOCK)
    assert refused
    assert meshes.ids().tolist() == IDS


@pytest.mark.slow
def test_a_call_whose_folder_another_machine_replaced_leaves_it_as_it_is(
    labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = f"precomputed://{tmp_path}/mesh"
    begun: list[StepReport] = []

    def call_another(report: StepReport) -> None:
        if report.tool == "common.meshes" and not begun:
            begun.append(report)
            monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state of another machine"))
            voxome.write_meshes(labels, out, min_volume_nm3=2_000_000, overwrite=True, **BLOCK)

    with pytest.raises(RunFailed, match="was replaced or removed by another call"):
        voxome.write_meshes(labels, out, progress=call_another, **BLOCK)
    assert voxome.open(out).ids().tolist() == IDS[1:2]


@pytest.mark.slow
def test_shapes_and_tables_of_another_call_are_never_completed(labels: str, tmp_path: Path) -> None:
    out, table = f"precomputed://{tmp_path}/mesh", tmp_path / "objects.parquet"
    voxome.write_meshes(labels, out, table=table, **BLOCK)
    kinds = {"meshes": (Meshes(), out), "objects": (Table({"id": "uint64"}, ("id",)), str(table))}
    for name, (kind, uri) in kinds.items():
        target = Target(
            name=name,
            tool="common.meshes",
            uri=uri,
            folder=str(tmp_path),
            step="meshes",
            key="another",
            frame=None,
            block=(1, 1, 1),
            parameters={},
            existing=True,
        )
        with pytest.raises(AlreadyExists, match="was replaced or removed by another call"):
            kind.finish(target)


@pytest.mark.slow
def test_what_is_replaced_stays_until_the_new_is_written(labels: str, tmp_path: Path, state: Path) -> None:
    out, table = f"precomputed://{tmp_path}/mesh", tmp_path / "objects.parquet"
    voxome.write_meshes(labels, out, table=table, **BLOCK)

    def stop(report: StepReport) -> None:
        if report.ended:
            raise KeyboardInterrupt

    other = {**BLOCK, "block": (6, 8, 16), "min_volume_nm3": 2_000_000, "overwrite": True, "table": table}
    with pytest.raises(KeyboardInterrupt):
        voxome.write_meshes(labels, out, progress=stop, **other)
    assert voxome.open(out).ids().tolist() == IDS
    assert TableFile(table).read()["meshed"].all()
    pieces = sorted(path.name for path in state.glob("shapes-*/common.*"))
    assert pieces
    voxome.write_meshes(labels, out, table=table, **BLOCK)
    assert sorted(path.name for path in state.glob("shapes-*/common.*")) == pieces
    assert voxome.write_meshes(labels, out, **other).ids().tolist() == IDS[1:2]
    assert not list(state.iterdir())
