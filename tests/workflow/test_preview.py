"""What a run would need and change, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.config.machine import Disk
from voxome.errors import AlreadyExists, PlanError, StoreError, UnknownName
from voxome.tools.common.threshold import threshold
from voxome.workflow import preview as module
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import Plan, make_plan
from voxome.workflow.preview import preview
from voxome.workflow.run import run_plan
from voxome.workflow.run_tool import graph_of


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    np.save(tmp_path / "raw.npy", np.arange(512, dtype=np.uint8).reshape(8, 8, 8))
    return tmp_path / "raw.npy"


def plan_of(raw: Path, at: float = 100.0, **options: Any) -> Plan:
    return make_plan(graph_of(threshold.spec), {"image": str(raw), "at": at}, RunOptions(**options))


@pytest.mark.slow
def test_disk_and_voxels_are_those_of_the_results(raw: Path, tmp_path: Path) -> None:
    plan = plan_of(raw)
    written = sum(step["written_bytes"] for step in plan.to_json()["steps"])
    assert written >= 512
    found = preview(plan, out=tmp_path / "not/yet", workers=3)
    assert (found.workers, found.written_bytes, found.changes, found.warnings) == (3, written, (), ())
    assert found.disk is not None
    assert found.disk.folder == str(tmp_path)
    assert found.disk.total_bytes >= found.disk.free_bytes > 0
    assert not (tmp_path / "not").exists()
    elsewhere = preview(plan, out=tmp_path / "out", store=tmp_path).disk
    assert elsewhere is not None
    assert elsewhere.folder == str(tmp_path)


@pytest.mark.slow
def test_an_object_store_has_no_disk(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "pending_changes", lambda *_, **__: [])
    assert preview(plan_of(raw), out=tmp_path / "out", store="s3://bucket/run?endpoint=http://127.0.0.1:1").disk is None


def test_a_part_writes_less(raw: Path) -> None:
    half, whole = (plan.to_json()["steps"][0]["written_bytes"] for plan in (plan_of(raw, box="0:4,:,:"), plan_of(raw)))
    assert 2 * half == whole == 512


def test_too_little_disk_is_a_warning(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "disk_at", lambda _: Disk(str(tmp_path), 100, 1000))
    (warning,) = preview(plan_of(raw), out=tmp_path / "out").warnings
    assert "before compression" in warning
    assert f"the disk of {tmp_path} has 1e-07 GB free" in warning


def test_too_little_memory_is_a_warning(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory_bytes", lambda: 1000)
    (warning,) = preview(plan_of(raw)).warnings
    assert "a job of step common.threshold needs about" in warning
    assert preview(plan_of(raw), engine="threads").warnings == ()


@pytest.mark.slow
def test_changes_of_the_run_folder_are_shown_and_nothing_is_written(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run_plan(plan_of(raw, 100.0), out=folder, engine="sequential")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert preview(plan_of(raw, 100.0), out=folder).changes == ()
    assert "parameter at changed from 100.0 to 50.0" in preview(plan_of(raw, 50.0), out=folder).changes[0]
    assert preview(plan_of(raw, 100.0), out=folder, fresh=True).changes == ("everything runs again",)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_what_a_run_refuses_is_refused(raw: Path, tmp_path: Path) -> None:
    plan, folder = plan_of(raw), tmp_path / "out"
    for wrong in ({"engine": "lokal"}, {"engine": {"mark": "local"}}, {"records": "sqlit"}):
        with pytest.raises(UnknownName):
            preview(plan, out=folder, **wrong)
    with pytest.raises(PlanError, match="names no scorer"):
        preview(plan, out=folder, truth=tmp_path)
    with pytest.raises(StoreError, match=r"raw\.npy: Not a directory; choose a folder"):
        preview(plan, out=raw)
    run_plan(plan, out=folder, store=tmp_path / "store", engine="sequential")
    with pytest.raises(PlanError, match="keeps its results in"):
        preview(plan, out=folder)
    with pytest.raises(AlreadyExists, match="results of another run"):
        preview(plan_of(raw, 7.0), out=tmp_path / "other", store=tmp_path / "store")


@pytest.mark.slow
def test_all_cores_run_by_default(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.config.machine.available_cpus", lambda: 3)
    assert preview(plan_of(raw)).workers == 3
    (engine,) = run_plan(plan_of(raw), out=tmp_path / "out", engine="threads")["engines"]
    assert engine["workers"] == 3
    counts: list[int] = []
    monkeypatch.setattr("voxome.workflow.verbs.run_plan", lambda *_, workers, **__: counts.append(workers))
    monkeypatch.setattr("voxome.workflow.verbs.run_tool", lambda *_, workers, **__: counts.append(workers))
    voxome.run(plan_of(raw), out=tmp_path / "out")
    voxome.tool("common.threshold", {"image": raw}, out=tmp_path / "out")
    assert counts == [3, 3]
