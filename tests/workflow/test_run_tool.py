"""One tool run as a single step, and the same in a CWL runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.blocks.progress import StepReport
from voxome.contracts.handle import Handle
from voxome.errors import PlanError, UnknownName
from voxome.registry import load
from voxome.resources.table import TableFile
from voxome.workflow.describe import document
from voxome.workflow.options import RunOptions
from voxome.workflow.run_tool import run_tool
from voxome.workflow.verbs import run

WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], at: double?, store: string, block: string?, workers: int?}
outputs:
  mask: {type: File, outputSource: second/result}
  counts: {type: File, outputSource: count/result}
steps:
  first:
    run: common.threshold.cwl
    in: {image: raw, at: at, store: store, block: block, workers: workers}
    out: [result]
  second:
    run: common.threshold.cwl
    in: {image: first/result, at: {default: 100}, store: store, block: block, workers: workers}
    out: [result]
  count:
    run: common.statistics.cwl
    in: {image: second/result, store: store, block: block, workers: workers}
    out: [result]
"""
CUBE = (8, 8, 8)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.zarr"
    spec = voxome.VolumeSpec.of((20, 16, 12), "uint8", voxel_size_nm=(8, 8, 8))
    voxome.create(f"zarr://{path}", spec)[...] = np.random.default_rng(1).integers(0, 255, (20, 16, 12))
    return path


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        ("7", "the parameter 'at' of common.threshold is '7'; expected a number"),
        (True, "the parameter 'at' of common.threshold is True; expected a number"),
        (float("nan"), "parameter 'at' of common.threshold is nan: expected a finite number"),
        (float("inf"), "parameter 'at' of common.threshold is inf: expected a finite number"),
    ],
)
def test_a_parameter_that_is_no_number_is_refused_before_anything_runs(
    raw: Path, tmp_path: Path, at: object, problem: str
) -> None:
    with pytest.raises(PlanError) as caught:
        run_tool("common.threshold", {"image": str(raw), "at": at}, store=tmp_path / "out")
    assert caught.value.problems == (problem,)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_tool_runs_block_by_block_and_resumes(raw: Path, tmp_path: Path) -> None:
    reports: list[StepReport] = []
    for _ in range(2):
        handles = run_tool(
            "common.threshold",
            {"image": raw, "at": 99.0},
            store=tmp_path / "store",
            options=RunOptions(block=CUBE),
            progress=reports.append,
        )
        last = reports[-1]
        assert last.run + last.reused == last.total == 12
    assert last.reused == 12
    assert isinstance(handles["result"], Handle)
    np.testing.assert_array_equal(
        voxome.open(handles["result"].uri)[...], np.where(np.asarray(voxome.open(str(raw))) > 99, 255, 0)
    )


@pytest.mark.slow
def test_a_handle_passes_the_box_on_to_the_next_tool(raw: Path, tmp_path: Path) -> None:
    options = RunOptions(block=(8, 8, 8), box=voxome.Box.parse("0:8,0:16,4:12"))
    first = run_tool("common.threshold", {"image": raw, "at": 99.0}, store=tmp_path / "store", options=options)
    path = tmp_path / "first.handle.json"
    path.write_text(json.dumps(first["result"].to_json()))
    counts = run_tool("common.statistics", {"image": path}, store=tmp_path / "store", options=RunOptions(block=CUBE))
    assert sum(TableFile(counts["result"].uri).read()["voxels"]) == 8 * 16 * 8


def test_problems_are_reported_before_it_starts(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"common\.threshold"):
        run_tool("common.treshold", {}, store=tmp_path / "store")
    with pytest.raises(PlanError, match="image"):
        run_tool("common.threshold", {"at": 1.0}, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
    with pytest.raises(PlanError, match=r"'at' of common\.threshold is 'high'"):
        run_tool("common.threshold", {"image": raw, "at": "high"}, store=tmp_path / "store")


@pytest.mark.slow
def test_cwltool_and_voxome_run_compute_the_same(raw: Path, tmp_path: Path) -> None:
    for name in ("common.threshold", "common.statistics"):
        (tmp_path / f"{name}.cwl").write_text(document(load("voxome.tools", name).spec))
    workflow = tmp_path / "workflow.cwl"
    workflow.write_text(WORKFLOW)
    run(workflow, {"raw": str(raw), "at": 40.0}, out=tmp_path / "out", block=CUBE)
    job = {"raw": str(raw), "at": 40.0, "store": str(tmp_path / "store"), "block": "4,8,8", "workers": 1}
    (tmp_path / "job.json").write_text(json.dumps(job))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [
        sys.executable,
        "-m",
        "cwltool",
        "--outdir",
        str(tmp_path / "handles"),
        str(workflow),
        str(tmp_path / "job.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout)
    mask, counts = (
        Handle.from_json(json.loads(Path(outputs[name]["path"]).read_text())) for name in ("mask", "counts")
    )
    assert Path(mask.uri.removeprefix("zarr://")).is_relative_to(tmp_path / "store")
    np.testing.assert_array_equal(voxome.open(mask.uri)[...], voxome.open(str(tmp_path / "out" / "mask.zarr"))[...])
    ours, theirs = (TableFile(path).read() for path in (counts.uri, tmp_path / "out" / "counts.parquet"))
    assert {name: list(values) for name, values in ours.items()} == {n: list(v) for n, v in theirs.items()}
