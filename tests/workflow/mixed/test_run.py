"""Runs of workflows of tools of voxome and others."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome import environments
from voxome.contracts.engine import JobStatus
from voxome.engines.sequential import SequentialEngine
from voxome.errors import InvalidInput, PlanError, RunFailed
from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow
LEVELS = [50.0, 200.0]


def call(workflow: Path, out: str = "out", levels: Sequence[float] = LEVELS, **options: Any) -> Any:
    inputs = {"raw": workflow.parent / "raw.npy", "levels": list(levels)}
    return run(workflow, inputs, out=workflow.parent / out, workers=2, block=(8, 8, 8), **options)


def assert_masks(out: Path, voxels: np.ndarray, levels: Sequence[float]) -> None:
    for index, level in enumerate(levels):
        np.testing.assert_array_equal(voxome.open(out / f"masks_{index}.zarr")[...] > 0, voxels > level)


def counts(record: Any) -> dict[str, list[tuple[int, int]]]:
    """Return the numbers of blocks and jobs that were run and reused, by step."""
    found: dict[str, list[tuple[int, int]]] = {}
    for step in record["steps"]:
        found.setdefault(step["name"], []).append((step["blocks"]["run"], step["blocks"]["reused"]))
    return found


def test_values_flow_between_tools_of_voxome_and_others(
    workflow: Path, voxels: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    record = call(workflow)
    assert [one.message for one in caplog.records if one.name == "salad"] == []
    out = workflow.parent / "out"
    np.testing.assert_array_equal(voxome.open(out / "mask.zarr")[...] > 0, voxels > 3)
    np.testing.assert_array_equal(voxome.open(out / "copy.zarr")[...] > 0, voxels > 3)
    handles = [path.read_text() for path in (out / ".voxome" / "handles").glob("*/result.handle.json")]
    assert int((out / "lines.txt").read_text()) == sum(text.count("\n") for text in handles)
    assert record["outputs"] == {"mask": "zarr://./mask.zarr", "copy": "zarr://./copy.zarr", "lines": "lines.txt"}
    assert record["values"]["nothing"] is None
    assert record["values"]["masks"] == ["zarr://./masks_0.zarr", "zarr://./masks_1.zarr"]
    assert_masks(out, voxels, LEVELS)
    assert {step["name"]: step["tool"] for step in record["steps"]} == {
        "make": "make", "mark": "common.threshold", "inner.program": "program", "each": "common.threshold",
        "count": "count",
    }  # fmt: skip
    assert record["steps"][0]["name"] == "make"


def test_a_finished_run_runs_nothing_again_and_a_changed_one_only_what_changed(workflow: Path) -> None:
    first = call(workflow)
    again = call(workflow)
    assert all(run == 0 and reused > 0 for rows in counts(again).values() for run, reused in rows)
    assert [step["key"] for step in again["steps"]] == [step["key"] for step in first["steps"]]
    workflow.write_text(workflow.read_text().replace("wc -l", "wc -c"))
    changed = counts(call(workflow))
    assert changed["count"] == [(1, 0)]
    assert all(run == 0 for name, rows in changed.items() if name != "count" for run, _ in rows)


def test_a_result_of_another_plan_is_replaced(workflow: Path, voxels: np.ndarray) -> None:
    call(workflow)
    workflow.write_text(workflow.read_text().replace("at: make/at", "at: {default: 90}"))
    changed = counts(call(workflow))
    assert changed["make"] == [(0, 1)]
    assert changed["mark"] == [(8, 0)]
    np.testing.assert_array_equal(voxome.open(workflow.parent / "out" / "mask.zarr")[...] > 0, voxels > 90)


def test_a_result_stays_if_its_step_has_another_name(workflow: Path, voxels: np.ndarray) -> None:
    call(workflow)
    workflow.write_text(workflow.read_text().replace("mark", "label"))
    assert counts(call(workflow))["label"] == [(0, 8)]
    np.testing.assert_array_equal(voxome.open(workflow.parent / "out" / "mask.zarr")[...] > 0, voxels > 3)
    workflow.write_text(workflow.read_text().replace("label", "mark").replace("at: make/at", "at: {default: 90}"))
    assert counts(call(workflow))["mark"] == [(8, 0)]
    np.testing.assert_array_equal(voxome.open(workflow.parent / "out" / "mask.zarr")[...] > 0, voxels > 90)


class Losing(SequentialEngine):
    """Takes its first job for lost when it has ended."""

    has_lost = False

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Run the next job and return its status."""
        statuses = [*super().wait(timeout_s)]
        if self.has_lost or not statuses:
            return statuses
        self.has_lost = True
        return [JobStatus(one.id, "lost", error="its node died") for one in statuses]


def test_commands_that_an_engine_has_lost_count_as_retries(workflow: Path) -> None:
    retries: dict[str, int] = {}
    call(workflow, engine=Losing(), progress=lambda report: retries.update({report.name: report.retries}))
    assert retries == {"make": 1, "mark": 0, "inner.program": 0, "each": 0, "count": 0}


def test_results_of_a_scattered_step_have_the_indices_of_their_elements(workflow: Path, voxels: np.ndarray) -> None:
    out = workflow.parent / "out"
    for levels in ([50.0, 100.0, 200.0], [100.0, 200.0], [200.0, 100.0], [100.0, 100.0], [200.0]):
        record = call(workflow, levels=levels)
        assert record["values"]["masks"] == [f"zarr://./masks_{index}.zarr" for index in range(len(levels))]
        assert_masks(out, voxels, levels)
        assert len(list(out.glob("masks_*"))) == len(levels)
    assert counts(call(workflow, levels=[200.0]))["each"] == [(0, 8)]
    call(workflow, levels=[100.0, 100.0])
    assert counts(call(workflow, levels=[100.0, 100.0]))["each"] == [(0, 8)] * 2


def test_names_of_elements_are_those_of_no_other_output(workflow: Path) -> None:
    workflow.write_text(workflow.read_text().replace("  copy: {", "  masks_1: {"))
    with pytest.raises(InvalidInput, match="the output masks_1 and an element of the output masks would both be"):
        call(workflow)


def test_everything_runs_again_if_that_is_wanted(workflow: Path) -> None:
    call(workflow)
    assert all(reused == 0 for rows in counts(call(workflow, fresh=True)).values() for _, reused in rows)


def test_a_failure_is_named_and_other_branches_end(workflow: Path) -> None:
    workflow.write_text(workflow.read_text().replace("cat $0 > out.npy", "exit 3"))
    with pytest.raises(RunFailed, match=r"step inner\.program(.|\n)*status 3"):
        call(workflow)
    workflow.write_text(workflow.read_text().replace("exit 3", "cat $0 > out.npy"))
    ended = counts(call(workflow))
    assert ended["make"] == [(0, 1)]
    assert ended["inner.program"] == [(8, 0)]


def test_a_missing_engine_of_containers_is_named_before_anything_runs(
    workflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_CONTAINERS", ("no-such-engine",))
    image = "requirements: {DockerRequirement: {dockerPull: none}}"
    workflow.write_text(workflow.read_text().replace("hints:\n", f"{image}\n            hints:\n"))
    with pytest.raises(RunFailed, match="None of no-such-engine is installed"):
        call(workflow)
    assert query(workflow.parent / "out", "SELECT * FROM jobs") == []


def test_a_command_that_fails_is_named(workflow: Path) -> None:
    workflow.write_text(workflow.read_text().replace("exit $1", "echo broken >&2; exit 4"))
    with pytest.raises(RunFailed, match=r"step make: exited with status 4(.|\n)*broken"):
        call(workflow)


def test_commands_of_another_folder_are_taken_from_a_cache(workflow: Path, voxels: np.ndarray) -> None:
    cache = workflow.parent / "cache"
    assert counts(call(workflow, cache=cache))["make"] == [(1, 0)]
    again = counts(call(workflow, out="other", cache=cache))
    assert again["make"] == [(0, 1)]
    assert again["inner.program"] == [(8, 0)]
    np.testing.assert_array_equal(voxome.open(workflow.parent / "other" / "copy.zarr")[...] > 0, voxels > 3)


def test_a_box_cuts_what_steps_of_blocks_take(workflow: Path, voxels: np.ndarray) -> None:
    workflow.write_text(workflow.read_text().replace("in: {image: make/out, at: levels", "in: {image: raw, at: levels"))
    record = call(workflow, box="2:6,0:8,0:8")
    assert counts(record)["mark"] == [(8, 0)]
    assert counts(record)["each"] == [(1, 0), (1, 0)]
    for uri, level in zip(record["values"]["masks"], LEVELS, strict=True):
        mask = voxome.open(workflow.parent / "out" / uri.removeprefix("zarr://./"))
        assert str(mask.domain) == "2:6,0:8,0:8"
        np.testing.assert_array_equal(mask[...] > 0, voxels[2:6, :8, :8] > level)


def test_a_folder_keeps_to_one_kind_of_workflow(workflow: Path, tmp_path: Path) -> None:
    call(workflow)
    tools = Path(voxome.__file__).parents[2] / "pipelines" / "tools"
    blocks = tmp_path / "blocks.cwl"
    blocks.write_text(
        "{cwlVersion: v1.2, class: Workflow, inputs: {raw: File},\n"
        "outputs: {m: {type: File, outputSource: mark/result}},\nsteps: {mark: "
        f"{{run: {tools}/common.threshold.cwl, in: {{image: raw, store: {{default: x}}}}, out: [result]}}}}}}"
    )
    with pytest.raises(PlanError, match="choose another folder"):
        run(blocks, {"raw": tmp_path / "raw.npy"}, out=tmp_path / "out")


def query(out: Path, what: str) -> list[Any]:
    with closing(sqlite3.connect(out / ".voxome" / "run.sqlite")) as records:
        return records.execute(what).fetchall()


def test_no_job_and_no_block_runs_again_however_often_the_run_is_killed(workflow: Path, voxels: np.ndarray) -> None:
    out, log = workflow.parent / "out", workflow.parent / "log"
    settings = {"raw": {"class": "File", "path": "raw.npy"}, "levels": LEVELS, "pause": "0.3"}
    (workflow.parent / "job.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(workflow), str(workflow.parent / "job.json")]
    command += ["--out", str(out), "--workers", "2", "--block", "8,8,8"]

    def done() -> int:
        """Return the number of files that jobs and blocks have left; a reader of the records could disturb the run."""
        chunks = [path for name in ("mask.zarr", "copy.zarr") for path in (out / name).rglob("*") if path.is_file()]
        return len(chunks) + len(list(out.glob(".voxome/jobs/*/result.json")))

    marks = []
    for more in (1, 8, 8):
        before = done()
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stream)
        until = time.monotonic() + 90
        while done() < before + more and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert process.poll() is None, f"it ended before it was killed: {log.read_text()}"
        process.kill()
        process.wait()
        marks.append((query(out, "SELECT * FROM jobs"), query(out, "SELECT max(id) FROM events")[0][0]))
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    ended = query(out, "SELECT * FROM jobs")
    started = "SELECT json_extract(details, '$.key') FROM events WHERE kind = 'job started' AND id > "
    for rows, last in marks:
        commands = {row[0] for row in rows if len(row[0]) == 32}
        assert {key for (key,) in query(out, f"{started}{last}")} & commands == set()
        assert {row for row in rows if len(row[0]) == 16} <= set(ended), "a block ran again"
    assert 0 < len(marks[1][0]) < len(marks[2][0]) < len(ended)
    np.testing.assert_array_equal(voxome.open(out / "copy.zarr")[...] > 0, voxels > 3)
