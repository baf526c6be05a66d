"""What is planned of a workflow of tools of voxome and others, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workflow.mixed.conftest import TOOLS

from voxome.errors import InvalidInput, PlanError
from voxome.workflow.mixed.outline import read_workflow
from voxome.workflow.verbs import plan, run

pytestmark = pytest.mark.slow


def test_steps_that_depend_on_others_are_pending(workflow: Path) -> None:
    graph = read_workflow(workflow)
    steps = {one.name: one for one in graph.pending}
    assert steps.keys() == {"make", "mark", "inner.program", "each", "skipped", "count"}
    assert {name: one.runs_as for name, one in steps.items() if one.runs_as != "command"} == {
        "mark": "blocks",
        "inner.program": "blocks",
        "each": "blocks",
    }
    assert steps["mark"].after == ("make",)
    assert steps["mark"].tool == "common.threshold"
    assert steps["inner.program"].after == ("mark",)
    assert set(steps["count"].after) == {"mark", "each"}
    assert steps["each"].scatter == ("at",)
    assert [name for name, one in steps.items() if one.is_conditional] == ["skipped"]
    assert graph.deliveries == {
        ("mark", "result"): "mask",
        ("inner.program", "out"): "copy",
        ("each", "result"): "masks",
    }


def test_a_step_of_voxome_whose_inputs_are_known_is_planned(workflow: Path, tmp_path: Path) -> None:
    workflow.write_text(workflow.read_text().replace("in: {image: make/out, at: make/at", "in: {image: raw"))
    planned = plan(workflow, {"raw": tmp_path / "raw.npy", "levels": [1.0]}, block=(8, 8, 8))
    assert [step.name for step in planned.steps] == ["mark", "inner.program"]
    assert planned.steps[0].total == 2 * 2 * 2
    assert {one["name"] for one in planned.to_json()["pending"]} == {"each", "make", "skipped", "count"}


def test_what_is_wrong_with_a_tool_of_voxome_is_reported_before_the_run(workflow: Path) -> None:
    workflow.write_text(workflow.read_text().replace("{format: npy, dtype: uint8}", "{format: npz, dtype: uint8}"))
    with pytest.raises(InvalidInput, match=r"mixed\.cwl:\d+"):
        read_workflow(workflow)


def test_inputs_that_are_not_there_are_named_before_the_run(workflow: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"none\.npy does not exist"):
        plan(workflow, {"raw": tmp_path / "none.npy", "levels": []})
    with pytest.raises(PlanError, match="needs the input 'levels'"):
        plan(workflow, {"raw": tmp_path / "raw.npy"})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"box": "0:4,:,:"}, "--box is for inputs that steps of blocks take, and those of mixed take none"),
        ({"level": 1}, "--level is for inputs that steps of blocks take"),
        ({"into": {"mask": "zarr://x.zarr"}}, "--into is for workflows of voxome's tools only"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    workflow: Path, tmp_path: Path, option: dict[str, Any], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan(workflow, {"raw": tmp_path / "raw.npy", "levels": []}, **option)


def test_a_box_is_for_steps_of_blocks(workflow: Path, tmp_path: Path) -> None:
    workflow.write_text(workflow.read_text().replace("in: {image: make/out, at: levels", "in: {image: raw, at: levels"))
    steps = {one.name: one for one in read_workflow(workflow).pending}
    assert (set(steps["each"].takes), steps["each"].after) == ({"raw", "levels"}, ())
    assert steps["count"].takes == ("pause",)
    inputs = {"raw": tmp_path / "raw.npy", "levels": []}
    planned = plan(workflow, inputs, box="2:6,:,:")
    assert "--box is for steps of blocks only: commands take the whole of raw, too" in planned.warnings
    assert planned.key != plan(workflow, inputs).key


def test_a_cache_is_a_folder(workflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw.npy").touch()
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(InvalidInput, match=r"s3://bucket/x is an address; expected a folder of this machine"):
        run(workflow, {"raw": tmp_path / "raw.npy", "levels": []}, out=tmp_path / "out", cache="s3://bucket/x")
    assert set(tmp_path.iterdir()) == before


def test_a_workflow_without_commands_has_no_cache(workflow: Path, tmp_path: Path) -> None:
    tool = TOOLS / "common.threshold.cwl"
    workflow.write_text(
        "{cwlVersion: v1.2, class: Workflow, inputs: {raw: File}, outputs: {out: {type: File, outputSource: a/result}},"
        f" steps: {{a: {{run: {tool}, in: {{image: raw, store: {{default: x}}}}, out: [result]}}}}}}"
    )
    with pytest.raises(PlanError, match="--cache is for results of commands, and mixed has none"):
        run(workflow, {"raw": tmp_path / "raw.npy"}, out=tmp_path / "out", cache=tmp_path / "cache")
