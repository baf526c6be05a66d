"""What is planned of a workflow of tools of voxome and others, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.errors import InvalidInput, PlanError
from voxome.workflow.mixed.outline import read_workflow
from voxome.workflow.verbs import plan

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
    assert graph.deliveries == {("mark", "result"): "mask", ("inner.program", "out"): "copy"}


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


@pytest.mark.parametrize("option", [{"box": "0:4,:,:"}, {"level": 1}, {"into": {"mask": "zarr://x.zarr"}}])
def test_options_that_only_blocks_have_are_refused(workflow: Path, tmp_path: Path, option: dict[str, object]) -> None:
    with pytest.raises(PlanError, match=f"--{next(iter(option))} is for workflows of voxome's tools only"):
        plan(workflow, {"raw": tmp_path / "raw.npy", "levels": []}, **option)  # type: ignore[arg-type]
