"""A workflow names its report, its scorer and the files of its results, which may come from other packages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import AlreadyExists, InvalidInput, PlanError
from voxome.records.sql import SqlRecords
from voxome.registry import load as load_plugin
from voxome.workflow.cwl import load
from voxome.workflow.describe import document
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.verbs import run

WORKFLOW = """
cwlVersion: v1.2
class: Workflow
$namespaces: {{voxome: "https://voxome.org/cwl#"}}
hints: {{voxome:Run: {hint}}}
inputs: {{raw: [File, string], store: string}}
outputs:
  mask: {{type: File, outputSource: mark/result}}
  counts: {{type: File, outputSource: count/result}}
steps:
  mark: {{run: common.threshold.cwl, in: {{image: raw, at: {{default: 100}}, store: store}}, out: [result]}}
  count: {{run: common.statistics.cwl, in: {{image: mark/result, store: store}}, out: [result]}}
"""
pytestmark = pytest.mark.usefixtures("jobs_in_this_process")
HINT = "{report: demo.counts, scorer: demo.share, results: {counts: mask}}"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    spec = voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(8, 8, 8))
    volume = voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)
    volume[...] = np.where(np.arange(512) < 128, 200, 0).astype(np.uint8).reshape(8, 8, 8)
    (tmp_path / "share.txt").write_text("0.5")
    return tmp_path / "raw.zarr"


def write_workflow(folder: Path, hint: str = HINT) -> Path:
    for name in ("common.threshold", "common.statistics"):
        (folder / f"{name}.cwl").write_text(document(load_plugin("voxome.tools", name).spec))
    (folder / "mark.cwl").write_text(WORKFLOW.format(hint=hint))
    return folder / "mark.cwl"


@pytest.mark.slow
def test_a_report_and_a_scorer_of_another_package_are_used(plugins: Path, raw: Path, tmp_path: Path) -> None:
    workflow, out = write_workflow(tmp_path), tmp_path / "out"
    record = run(workflow, {"raw": raw}, out=out, truth=tmp_path, box="0:4,0:8,0:8")
    assert record["scores"] == {"mask": {"difference": 0.0}}
    assert (out / "counts.txt").read_text() == "mark\n0: 128\n255: 128\n"
    assert json.loads((out / "run.json").read_text())["summary"] == {"values": 2}
    assert (out / "mask.parquet").exists()
    assert json.loads((out / "run.json").read_text())["scores"] == record["scores"]
    assert not (out / "report.html").exists()


@pytest.mark.slow
def test_a_report_that_fails_is_named_and_the_run_ends_well(
    plugins: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("neurons")

    monkeypatch.setattr(load_plugin("voxome.reports", "demo.counts"), "write", broken)
    workflow, out = write_workflow(tmp_path), tmp_path / "out"
    record = run(workflow, {"raw": raw}, out=out)
    failure = r"The report 'demo\.counts' .* failed: KeyError: 'neurons'"
    assert re.match(f"not written: {failure}", str(record["summary"]["report"]))
    assert re.search(f"results are complete, but their report is not written: {failure}", caplog.text)
    assert json.loads((out / "run.json").read_text())["summary"] == record["summary"]
    assert "KeyError" in (out / "report.html").read_text(encoding="utf-8")
    monkeypatch.undo()
    record = run(workflow, {"raw": raw}, out=out)
    assert all(step["blocks"]["run"] == 0 for step in record["steps"])
    assert record["summary"] == {"values": 2}
    assert (out / "counts.txt").exists()


@pytest.mark.slow
def test_a_scorer_checks_the_truth_before_any_work(plugins: Path, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "share.txt").unlink()
    with pytest.raises(PlanError, match=r"has no share\.txt"):
        run(write_workflow(tmp_path), {"raw": raw}, out=tmp_path / "out", truth=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_truth_without_a_scorer_is_refused(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="names no scorer"):
        run(write_workflow(tmp_path, "{}"), {"raw": raw}, out=tmp_path / "out", truth=tmp_path)


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        ("{reports: x}", "Unknown field of the hint voxome:Run 'reports'; did you mean 'report'?"),
        ("{report: [x]}", r"report is \['x'\]; expected a name"),
        ("{results: [mask]}", "expected a mapping of outputs to file names"),
        ("{results: {masks: x}}", "Unknown workflow output 'masks'; did you mean 'mask'?"),
        ("{results: {mask: ../x}}", r"file name of mask is '\.\./x'"),
        ("{results: {mask: .voxome}}", r"file name of mask is '\.voxome'"),
    ],
)
def test_an_invalid_hint_is_refused_with_file_and_line(tmp_path: Path, hint: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=rf"mark\.cwl:\d+:\d+:.*{problem}"):
        load(write_workflow(tmp_path, hint))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        ("{report: demo.count}", "Unknown report 'demo.count'; did you mean 'demo.counts'?"),
        ("{scorer: demo.shares}", "Unknown scorer 'demo.shares'; did you mean 'demo.share'?"),
        ("{report: em.connectome}", "the report em.connectome shows the workflow output 'neurons'"),
    ],
)
def test_a_report_that_cannot_be_written_is_a_problem_of_the_plan(
    plugins: Path, raw: Path, tmp_path: Path, hint: str, problem: str
) -> None:
    with pytest.raises(PlanError) as caught:
        make_plan(load(write_workflow(tmp_path, hint)), {"raw": raw}, RunOptions())
    assert any(one.startswith(problem) for one in caught.value.problems)


@pytest.mark.slow
def test_two_results_with_the_same_file_name_are_refused(raw: Path, tmp_path: Path) -> None:
    text = write_workflow(tmp_path, "{results: {again: mask}}").read_text()
    again = "  again: {type: File, outputSource: other/result}\nsteps:"
    step = "  other: {run: common.threshold.cwl, in: {image: raw, store: store}, out: [result]}\n"
    (tmp_path / "mark.cwl").write_text(text.replace("steps:", again) + step)
    with pytest.raises(PlanError, match=r"and the output '(mask|again)' would both be written to mask\.zarr"):
        make_plan(load(tmp_path / "mark.cwl"), {"raw": raw}, RunOptions())


@pytest.mark.slow
def test_a_store_with_results_of_another_plan_is_refused(plugins: Path, raw: Path, tmp_path: Path) -> None:
    workflow, store = write_workflow(tmp_path, "{}"), tmp_path / "store"
    run(workflow, {"raw": raw}, out=tmp_path / "one", store=store, engine="sequential")
    kept = (store / "run.json").read_bytes()
    with pytest.raises(AlreadyExists, match="results of another run"):
        run(workflow, {"raw": raw}, out=tmp_path / "two", store=store, engine="sequential", block=(4, 8, 8))
    assert (store / "run.json").read_bytes() == kept


@pytest.mark.slow
def test_runs_that_share_a_record_store_run_their_own_blocks(plugins: Path, raw: Path, tmp_path: Path) -> None:
    workflow, records = write_workflow(tmp_path, "{}"), SqlRecords.in_file(tmp_path / "shared.sqlite")
    for name in ("one", "two"):
        record = run(workflow, {"raw": raw}, out=tmp_path / name, records=records, engine="sequential")
        assert [step["blocks"]["reused"] for step in record["steps"]] == [0] * len(record["steps"])
    records.close()


@pytest.mark.parametrize("out", ["s3://bucket/run", Path("s3://bucket/run"), "gs://bucket"])
def test_a_run_folder_that_is_an_address_is_refused(plugins: Path, raw: Path, tmp_path: Path, out: str | Path) -> None:
    with pytest.raises(InvalidInput, match="expected a local folder"):
        run(write_workflow(tmp_path, "{}"), {"raw": raw}, out=out)


@pytest.mark.slow
def test_results_keep_what_made_them(plugins: Path, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        run(write_workflow(tmp_path), {"raw": raw}, out=out, truth=tmp_path, box="0:4,0:8,0:8")
    (one,) = voxome.provenance(out / "mask.zarr")
    assert (one.service, one.way, one.tool, one.parameters) == (
        "run",
        "local",
        "common.threshold",
        {"at": 100, "box": "0:4,0:8,0:8"},
    )
    assert (one.inputs[0].name, one.inputs[0].uri) == ("image", f"zarr://{raw}")
    assert one.inputs[0].version
    assert one.run
