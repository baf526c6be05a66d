"""The plan in a run folder: another one takes its place, the differences are named, what they change is removed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.command_tool import CommandDefinition, CommandLine
from voxome.contracts.formats import PLAN, PRIVATE
from voxome.errors import AlreadyExists, CorruptData, PlanError, StoreError, UnsupportedFormat
from voxome.resources.table import TableFile, write_table
from voxome.storage.local import LocalPath
from voxome.tools.common.statistics import statistics
from voxome.tools.common.threshold import threshold
from voxome.workflow import saved_plan
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import Plan, make_plan
from voxome.workflow.plan_changes import describe_changes
from voxome.workflow.run import run_plan
from voxome.workflow.run_tool import graph_of
from voxome.workflow.saved_plan import adopt_plan

STEP: dict[str, Any] = {
    "name": "cut",
    "key": "k1",
    "tool": "common.threshold",
    "version": "1",
    "digest": "abc",
    "parameters": {"at": 1.0},
    "block": [8, 8, 8],
    "frame": {"box": "0:8,0:8,0:8", "voxel_size_nm": None, "offset_nm": [0.0, 0.0, 0.0]},
    "inputs": {"image": {"uri": "zarr://a", "key": "v1"}},
    "published": {"result": "mask"},
}
COUNT: dict[str, Any] = {
    **STEP,
    "name": "count",
    "key": "k2",
    "inputs": {"image": {"uri": "zarr://{store}/mask.zarr", "key": "k1/r"}},
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parameters": {"at": 2.0}}, "parameter at changed from 1.0 to 2.0"),
        ({"parameters": {"at": 1.0, "new": 3}}, "parameter new changed from unset to 3"),
        ({"digest": "abd"}, "the code of common.threshold was edited"),
        ({"version": "2"}, "the version of common.threshold changed from 1 to 2"),
        ({"tool": "lab.threshold"}, "tool changed from common.threshold to lab.threshold"),
        ({"block": [8, 8, 4]}, "block changed from 8,8,8 to 8,8,4"),
        ({"frame": {**STEP["frame"], "box": "0:8,0:8,0:4"}}, "box changed from 0:8,0:8,0:8 to 0:8,0:8,0:4"),
        ({"inputs": {"image": {"uri": "zarr://b", "key": "v2"}}}, "input image changed from zarr://a to zarr://b"),
        ({"inputs": {"image": {"uri": "zarr://a", "key": "v2"}}}, "input image (zarr://a) was replaced or edited"),
        ({"inputs": {}}, "input image is gone"),
        ({}, "its key has changed"),
    ],
)
def test_why_a_step_runs_again_is_named(change: dict[str, Any], reason: str) -> None:
    now = {**STEP, "key": "k3", **change}
    assert describe_changes({"cut": STEP}, {"cut": now}) == [f"step cut runs again: {reason}"]


@pytest.mark.parametrize(
    ("change", "parameters", "reason"),
    [
        ({"digest": "p2"}, {}, "the program of common.threshold was edited or replaced"),
        ({"digest": "p2", "image": "lab:1"}, {}, "the image of common.threshold was edited or replaced"),
        ({"line": {"argv": ("run", "2")}}, {}, "the command line of common.threshold has changed"),
        ({"line": {"argv": ("run", "2")}}, {"at": 2.0}, "parameter at changed from 1.0 to 2.0"),
        ({"halo": 3}, {}, "the hint voxome:Blocks of common.threshold has changed"),
        ({"environment": "podman"}, {}, "environment changed from native to podman"),
    ],
)
def test_what_has_changed_in_a_foreign_program_is_named(
    change: dict[str, Any], parameters: dict[str, Any], reason: str
) -> None:
    program = CommandDefinition(name="seg", inputs={}, digest="p1", line=CommandLine(argv=("run", "1"))).to_json()
    changed = {**program, **change, "line": {**program["line"], **change.get("line", {})}}
    now = {"key": "k3", "digest": "abd", "program": changed, "parameters": {**STEP["parameters"], **parameters}}
    sentences = describe_changes({"cut": {**STEP, "program": program}}, {"cut": {**STEP, **now}})
    assert sentences == [f"step cut runs again: {reason}"]


def test_results_under_other_names_are_named() -> None:
    now = {**STEP, "published": {"result": "cut"}}
    reason = "step cut runs again: its results are kept under other names"
    assert describe_changes({"cut": STEP}, {"cut": now}) == [reason]


def test_steps_that_read_a_changed_result_are_named() -> None:
    cut = {**STEP, "key": "k3", "digest": "x"}
    count = {**COUNT, "key": "k4", "inputs": {"image": {"uri": "zarr://{store}/mask.zarr", "key": "k3/r"}}}
    lines = describe_changes({"cut": STEP, "count": COUNT}, {"cut": cut, "count": count})
    assert lines[1] == "step count runs again: its input image comes from step cut"


def test_equal_new_and_removed_steps_are_named() -> None:
    assert describe_changes({"cut": STEP}, {"cut": STEP}) == []
    assert describe_changes({"cut": STEP}, {"count": COUNT}) == [
        "step count is new",
        "step cut is gone, and its results are removed",
    ]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    np.save(tmp_path / "raw.npy", np.arange(512, dtype=np.uint8).reshape(8, 8, 8))
    return tmp_path / "raw.npy"


def plan_of(raw: Path, at: float = 100.0) -> Plan:
    return make_plan(graph_of(threshold.spec), {"image": str(raw), "at": at}, RunOptions())


def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
    return folder


def content(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / PRIVATE / "plan.json").read_text())
    return found


def test_the_same_plan_is_kept(raw: Path, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    assert adopt_plan(folder, plan_of(raw), str(folder)) == []
    before = (folder / PRIVATE / "plan.json").stat()
    assert adopt_plan(folder, plan_of(raw), str(folder)) == []
    assert (folder / PRIVATE / "plan.json").stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.slow
def test_an_interrupted_change_is_completed_by_any_later_plan(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    for later in (100.0, 50.0, 7.0):
        run_plan(plan_of(raw, 100.0), out=folder, engine="sequential", fresh=True)

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(saved_plan, "remove_outputs", stop)
            with pytest.raises(KeyboardInterrupt):
                run_plan(plan_of(raw, 50.0), out=folder, engine="sequential")
        assert content(folder)["stale"]
        record = run_plan(plan_of(raw, later), out=folder, engine="sequential")
        assert record["steps"][0]["blocks"]["run"] == 1
        assert "stale" not in content(folder)
        assert len(list((folder / PRIVATE / "steps").iterdir())) == 1


@pytest.mark.slow
def test_a_file_in_the_place_of_a_result_is_never_removed(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run_plan(plan_of(raw, 100.0), out=folder, engine="sequential")
    result = folder / "result.zarr"
    shutil.rmtree(result)
    result.mkdir()
    (result / "thesis.txt").write_text("mine")
    with pytest.raises(AlreadyExists, match=r"result\.zarr is no array of step .* move it elsewhere"):
        run_plan(plan_of(raw, 50.0), out=folder, engine="sequential")
    assert (result / "thesis.txt").read_text() == "mine"
    result.rename(tmp_path / "elsewhere")
    assert run_plan(plan_of(raw, 50.0), out=folder, engine="sequential")["steps"][0]["blocks"]["run"] == 1


@pytest.mark.slow
def test_intermediate_data_that_cannot_be_removed_are_reported(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    run_plan(plan_of(raw, 100.0), out=folder, engine="sequential")
    delete = LocalPath.delete

    def fail(path: LocalPath) -> None:
        if path.parent is not None and path.parent.name == "steps":
            raise StoreError(f"cannot remove {path}: the disk is read-only")
        delete(path)

    monkeypatch.setattr(LocalPath, "delete", fail)
    changes = run_plan(plan_of(raw, 50.0), out=folder, engine="sequential")["changes"]
    assert any("were not removed: cannot remove" in line for line in changes)


@pytest.mark.slow
def test_a_store_is_claimed_by_the_changed_plan(raw: Path, tmp_path: Path) -> None:
    folder, store = tmp_path / "out", tmp_path / "store"
    run_plan(plan_of(raw, 100.0), out=folder, store=store, engine="sequential")
    assert run_plan(plan_of(raw, 50.0), out=folder, store=store, engine="sequential")["changes"]
    assert run_plan(plan_of(raw, 50.0), out=tmp_path / "other", store=store, engine="sequential")["plan"]
    with pytest.raises(AlreadyExists, match="results of another run"):
        run_plan(plan_of(raw, 7.0), out=tmp_path / "third", store=store, engine="sequential")


@pytest.mark.slow
def test_another_store_is_refused(raw: Path, tmp_path: Path) -> None:
    run_plan(plan_of(raw), out=tmp_path / "out", engine="sequential")
    with pytest.raises(PlanError, match=r"keeps its results in the folder itself, not in .*store: give that store"):
        run_plan(plan_of(raw), out=tmp_path / "out", store=tmp_path / "store", engine="sequential")


def test_the_results_of_a_tool_that_is_gone_are_not_removed(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder(tmp_path)
    plan = plan_of(raw)
    adopt_plan(folder, plan, str(folder))
    path = folder / PRIVATE / "plan.json"
    path.write_text(path.read_text().replace('"common.threshold"', '"lab.gone"'))
    changes = adopt_plan(folder, replace(plan, warnings=("new",)), str(folder))
    assert any("lab.gone" in line and "were not removed" in line for line in changes)


@pytest.mark.parametrize("version", [None, 0, 2])
def test_a_plan_of_another_version_is_refused(raw: Path, tmp_path: Path, version: int | None) -> None:
    folder = run_folder(tmp_path)
    (folder / PRIVATE / "plan.json").write_text(json.dumps({**PLAN.stamp({}), "format_version": version}))
    with pytest.raises(UnsupportedFormat, match=r"plan\.json is a plan .*; this voxome reads version 1\..*remove"):
        adopt_plan(folder, plan_of(raw), str(folder))


@pytest.mark.parametrize("text", ["", "[]", json.dumps(PLAN.stamp({})), json.dumps(PLAN.stamp({"steps": [{}]}))])
def test_a_damaged_plan_is_refused(raw: Path, tmp_path: Path, text: str) -> None:
    folder = run_folder(tmp_path)
    (folder / PRIVATE / "plan.json").write_text(text)
    with pytest.raises(CorruptData, match=r"plan\.json is damaged.*Choose another folder"):
        adopt_plan(folder, plan_of(raw), str(folder))


@pytest.mark.slow
def test_a_fresh_run_computes_everything_again(raw: Path, tmp_path: Path) -> None:
    first = run_plan(plan_of(raw), out=tmp_path / "out", engine="sequential")
    again = run_plan(plan_of(raw), out=tmp_path / "out", engine="sequential")
    fresh = run_plan(plan_of(raw), out=tmp_path / "out", engine="sequential", fresh=True)
    assert [one["steps"][0]["blocks"]["run"] for one in (first, again, fresh)] == [1, 0, 1]
    assert fresh["changes"] == ["everything runs again"]
    mask = voxome.open(f"{tmp_path}/out/result.zarr", expect=voxome.Volume)
    assert np.array_equal(mask[...], np.where(np.load(raw) > 100, 255, 0))


@pytest.mark.slow
def test_a_table_that_a_user_has_put_in_the_place_of_a_result_is_kept(raw: Path, tmp_path: Path) -> None:
    def run() -> None:
        graph = graph_of(statistics.spec)
        run_plan(make_plan(graph, {"image": str(raw)}, RunOptions()), out=tmp_path / "out", engine="sequential")

    run()
    mine = {"id": np.arange(3, dtype=np.uint64)}
    write_table(tmp_path / "out" / "result.parquet", mine, {"id": "uint64"})
    np.save(raw, np.zeros((8, 8, 8), np.uint8))
    with pytest.raises(
        AlreadyExists, match=r"result\.parquet is not marked as the result of a run .*; choose another folder"
    ):
        run()
    assert TableFile(tmp_path / "out" / "result.parquet").read()["id"].tolist() == [0, 1, 2]
    (tmp_path / "out" / "result.parquet").unlink()
    run()
    assert TableFile(tmp_path / "out" / "result.parquet").read()["voxels"].sum() == 512
