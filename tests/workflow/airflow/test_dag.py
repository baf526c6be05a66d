"""A run that is exported as a DAG, performed by a stand-in of Airflow's dynamic mapping."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from standins.airflow_dag import DAG, load_dag

import voxome
from voxome.blocks import scheduled
from voxome.cli.schedule import run_arguments
from voxome.contracts.engine import JobStatus
from voxome.engines.sequential import SequentialEngine
from voxome.errors import InvalidInput, NotFound, PlanError
from voxome.testing.strategies import noise
from voxome.workflow.airflow import dag
from voxome.workflow.airflow.dag import DagOptions, dag_id, dag_text
from voxome.workflow.airflow.schedule import Exported, export_run
from voxome.workflow.mixed.outline import read_workflow
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import Plan, make_plan
from voxome.workflow.verbs import run

TOOLS = Path(__file__).parents[3] / "pipelines" / "tools"
WORKFLOW = f"""
cwlVersion: v1.2
class: Workflow
inputs: {{raw: [File, string], at: double?, store: string}}
outputs:
  mask: {{type: File, outputSource: mark/result}}
  histogram: {{type: File, outputSource: count/result}}
steps:
  mark: {{run: {TOOLS}/common.threshold.cwl, in: {{image: raw, at: at, store: store}}, out: [result]}}
  count: {{run: {TOOLS}/common.statistics.cwl, in: {{image: raw, store: store}}, out: [result]}}
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw.zarr"
    voxels = noise((24, 24, 24), "uint8")
    voxome.create(f"zarr://{path}", voxome.VolumeSpec.of(voxels.shape, "uint8", chunk=(12, 12, 12)))[:] = voxels
    return path


@pytest.fixture(autouse=True)
def _few_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep to few processes: three for a phase."""
    monkeypatch.setattr(dag, "GROUPS", 3)


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    path = tmp_path / "workflow.cwl"
    path.write_text(WORKFLOW)
    return path


def _plan(workflow: Path, raw: Path, at: float = 100.0) -> Plan:
    graph = read_workflow(workflow)
    values = {"raw": str(raw), "at": at}
    return make_plan(
        graph, {name: values[name] for name in values if name in graph.inputs}, RunOptions(block=(12, 12, 12))
    )


def _export(workflow: Path, raw: Path, out: Path, at: float = 100.0) -> tuple[Exported, DAG]:
    (out.parent / "dags").mkdir(exist_ok=True)
    arguments = [str(workflow), f"--set=raw={raw}", f"--set=at={at}", f"--out={out}", "--block=12,12,12"]
    written = export_run(_plan(workflow, raw, at), out=out, dags=out.parent / "dags", arguments=arguments, workers=2)
    return written, load_dag(written.file)


def _run(workflow: Path, raw: Path, out: Path) -> Path:
    run(workflow, {"raw": str(raw), "at": 100.0}, out=out, block=(12, 12, 12), engine="sequential")
    return out


def _options(tmp_path: Path) -> DagOptions:
    return DagOptions(
        folder=tmp_path / "it's {{ here }}",
        store=str(tmp_path),
        records=None,
        python=sys.executable,
        workers=3,
        retries=2,
        description="{{ text }} '''",
    )


def test_a_dag_has_the_steps_in_order_and_maps_jobs_in_groups(workflow: Path, raw: Path, tmp_path: Path) -> None:
    plan = _plan(workflow, raw)
    text = dag_text("one", plan.steps, _options(tmp_path))
    assert text == dag_text("one", plan.steps, _options(tmp_path))
    (tmp_path / "one.py").write_text(text)
    found = load_dag(tmp_path / "one.py")
    assert found.options["doc_md"] == "{{ text }} '''"
    assert list(found.tasks)[:3] == ["01-count.prepare", "01-count.jobs-0", "01-count.finish"]
    assert list(found.tasks)[-1] == "record"
    mapped = found.tasks["01-count.jobs-0"]
    assert [one["VOXOME_GROUP"] for one in mapped.environments] == [str(n) for n in range(3)]
    assert (mapped.options["retries"], mapped.options["max_active_tis_per_dagrun"]) == (2, 3)
    assert mapped.after == ["01-count.prepare"]


def test_another_plan_is_another_dag() -> None:
    assert dag_id("lab flow.cwl", "k1") == "voxome-lab_flow-k1"
    assert dag_id("lab flow.cwl", "k1") != dag_id("lab flow.cwl", "k2")


@pytest.mark.slow
def test_the_results_are_those_of_a_run_and_a_second_dag_performs_nothing(
    workflow: Path, raw: Path, tmp_path: Path
) -> None:
    expected = _run(workflow, raw, tmp_path / "expected")
    written, found = _export(workflow, raw, tmp_path / "out")
    assert found.dag_id == written.dag
    assert found.perform() == []
    _assert_equal(expected, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [step["blocks"]["reused"] for step in record["steps"]] == [
        step["blocks"]["total"] for step in record["steps"]
    ]
    assert not list((tmp_path / "out" / ".voxome" / "scheduled").glob("*/*"))
    before = _times(tmp_path / "out")
    assert _export(workflow, raw, tmp_path / "out")[1].perform() == []
    assert _times(tmp_path / "out") == before


@pytest.mark.slow
def test_a_run_resumes_what_a_dag_has_begun(workflow: Path, raw: Path, tmp_path: Path) -> None:
    _, found = _export(workflow, raw, tmp_path / "out")
    assert found.perform(fail=["02-mark.jobs-0[1]"]) == ["02-mark.jobs-0[1]"]
    expected = _run(workflow, raw, tmp_path / "expected")
    record = run(
        workflow, {"raw": str(raw), "at": 100.0}, out=tmp_path / "out", block=(12, 12, 12), engine="sequential"
    )
    assert record["steps"][1]["blocks"] == {"total": 8, "run": 3, "reused": 5}
    _assert_equal(expected, tmp_path / "out")


@pytest.mark.slow
def test_a_dag_resumes_what_a_run_has_begun(workflow: Path, raw: Path, tmp_path: Path) -> None:
    _, found = _export(workflow, raw, tmp_path / "out")
    (step, *_) = _plan(workflow, raw).steps
    assert found.perform(fail=["02-mark.jobs-0[2]"])
    _run(workflow, raw, tmp_path / "out")
    _, again = _export(workflow, raw, tmp_path / "out", at=100.0)
    assert again.perform() == []
    with pytest.raises(NotFound, match="its step was not prepared, or another run has recorded it"):
        scheduled.perform_group(step.key, str(tmp_path / "out"), 0, 0, 1)


class Interrupted(SequentialEngine):
    """Stops, as by Ctrl-C, before its fourth job."""

    ended = 0

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Run one of three jobs."""
        self.ended += 1
        if self.ended > 3:
            raise KeyboardInterrupt
        return super().wait(timeout_s)


@pytest.mark.slow
def test_a_dag_performs_only_what_an_interrupted_run_has_left(workflow: Path, raw: Path, tmp_path: Path) -> None:
    expected, out = _run(workflow, raw, tmp_path / "expected"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(
            workflow,
            {"raw": str(raw), "at": 100.0},
            out=out,
            block=(12, 12, 12),
            engine={"mark": Interrupted(), "count": "sequential"},
        )
    chunks = {path: path.stat().st_mtime_ns for path in (out / "mask.zarr").rglob("c/*/*/*")}
    assert len(chunks) == 3
    _, found = _export(workflow, raw, out)
    assert found.perform() == []
    _assert_equal(expected, out)
    assert {path: path.stat().st_mtime_ns for path in chunks} == chunks
    assert len(list((out / "mask.zarr").rglob("c/*/*/*"))) == 8


@pytest.mark.slow
def test_a_group_with_a_job_that_fails_says_so_and_is_not_done(
    workflow: Path, raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, found = _export(workflow, raw, tmp_path / "out")
    chunks = [path for path in (raw / "0" / "c").rglob("*") if path.is_file()]
    assert chunks
    for path in chunks:
        path.write_bytes(b"damaged")
    assert found.perform() == [f"01-count.jobs-0[{group}]" for group in range(3)]
    assert "failed: " in capfd.readouterr().err


def test_a_folder_of_dags_that_is_none_is_refused(workflow: Path, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="expected the folder of Airflow's DAGs"):
        export_run(_plan(workflow, raw), out=tmp_path / "out", dags=tmp_path / "none", arguments=[])


def test_steps_that_are_planned_during_the_run_are_refused(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "foreign.cwl"
    path.write_text(
        """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], store: string}
outputs: {mask: {type: File, outputSource: mark/result}}
requirements: {InlineJavascriptRequirement: {}}
steps:
  choose:
    run: {class: CommandLineTool, baseCommand: [echo, "100"], inputs: {}, stdout: at.txt, outputs: {at: {type: double,
      outputBinding: {glob: at.txt, loadContents: true, outputEval: "$(parseFloat(self[0].contents))"}}}}
    in: {}
    out: [at]
  mark: {run: TOOLS/common.threshold.cwl, in: {image: raw, at: choose/at, store: store}, out: [result]}
""".replace("TOOLS", str(TOOLS))
    )
    with pytest.raises(PlanError, match="can only be planned during the run, which no DAG can have"):
        export_run(_plan(path, raw), out=tmp_path / "out", dags=tmp_path, arguments=[])
    assert not (tmp_path / "out").exists()


def test_the_last_task_has_the_arguments_of_run() -> None:
    words = ["--verbose", "schedule", "flow.cwl", "--dags", "d", "--set", "raw=x", "--airflow=http://a", "--fresh"]
    assert run_arguments([*words, "--out", "out"]) == ["flow.cwl", "--set", "raw=x", "--out", "out"]


def _assert_equal(one: Path, other: Path) -> None:
    np.testing.assert_array_equal(voxome.open(f"{one}/mask.zarr")[...], voxome.open(f"{other}/mask.zarr")[...])
    assert (one / "histogram.parquet").read_bytes() == (other / "histogram.parquet").read_bytes()


def _times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.glob("mask.zarr/**/*") if path.is_file()}
