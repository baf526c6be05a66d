"""Messages of tools name the inputs of the workflow that set their inputs and parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.errors import PlanError, RunFailed
from voxome.registry import load
from voxome.workflow.graph import Constant, FromInput, FromStep
from voxome.workflow.input_names import input_names, names_of_inputs, with_input_names
from voxome.workflow.verbs import plan, run

ROOT = Path(__file__).parents[2] / "pipelines"
XRM, LM, VESSELS = ROOT / "xrm" / "cells_vessels.cwl", ROOT / "lm" / "cells.cwl", ROOT / "common" / "vessels.cwl"
NAMES = {"low": "cell_low", "high": "cell_high", "image": "raw", "unit": ""}


def test_only_whole_words_are_names() -> None:
    assert with_input_names("the value is below 3, as in high_um and zarr://high.zarr", NAMES).endswith("high.zarr")
    assert with_input_names("high: too low", NAMES).endswith(
        "(low is the input cell_low of the workflow, high is cell_high)"
    )
    assert with_input_names("unit is unknown", NAMES) == "unit is unknown"
    names = {"at": "cell_threshold"}
    assert with_input_names("it cannot be read at block 3", names) == "it cannot be read at block 3"
    assert with_input_names("at is 0.5", names) == "at is 0.5 (at is the input cell_threshold of the workflow)"


def test_parameters_of_steps_before_are_known_unless_they_differ() -> None:
    clean = load("voxome.tools", "common.vessel_clean").spec
    before = {"a": {"reach_um": "vessel_reach_um", "low": "one"}, "b": {"low": "two", "threshold": "at"}}
    sources: dict[str, Any] = {"runs": FromStep("a", "runs"), "min_volume_um3": FromInput("smallest")}
    names = input_names(clean, {**sources, "other": FromStep("b", "x"), "max_volume_um3": Constant(3)}, before)
    assert {name: one for name, one in names.items() if one} == {
        "reach_um": "vessel_reach_um", "threshold": "at", "min_volume_um3": "smallest"
    }  # fmt: skip


def test_the_failure_of_a_step_names_inputs() -> None:
    failure = RunFailed("1 of 2 jobs of step find failed", errors={0: "give a larger reach_um"})
    names = {"reach_um": "vessel_reach_um", "threshold": "cell_threshold"}
    with (
        pytest.raises(RunFailed, match=r"reach_um is the input vessel_reach_um of the workflow$"),
        names_of_inputs(names),
    ):
        raise failure
    with pytest.raises(RunFailed) as same, names_of_inputs({"threshold": "cell_threshold"}):
        raise failure
    assert same.value is failure


@pytest.fixture
def raw(tmp_path: Path) -> str:
    return save(tmp_path / "raw.zarr", (650,) * 3)


def save(path: Path, size: tuple[float, ...] | None) -> str:
    voxels = np.random.default_rng(1).integers(0, 255, (24, 32, 32)).astype(np.uint8)
    voxome.create(f"zarr://{path}", VolumeSpec.of(voxels.shape, "uint8", voxel_size_nm=size))[...] = voxels
    return f"zarr://{path}"


def problems(workflow: Path, **inputs: Any) -> tuple[str, ...]:
    with pytest.raises(PlanError) as caught:
        plan(workflow, inputs)
    return caught.value.problems


@pytest.mark.slow
def test_an_unknown_voxel_size_is_one_problem(tmp_path: Path) -> None:
    plain = save(tmp_path / "plain.zarr", None)
    for workflow, name in ((XRM, "raw"), (LM, "raw"), (VESSELS, "probability")):
        (problem,) = problems(workflow, **{name: plain})
        assert f"the voxel size of {name} ({plain}) is unknown" in problem


@pytest.mark.slow
def test_a_wrong_value_is_one_problem_of_the_input(raw: str) -> None:
    assert problems(XRM, raw=raw, cell_threshold=3, vessel_threshold=300) == (
        "the input 'vessel_threshold' of the workflow is 300: expected a whole number, 1 to 255",
        "the input 'cell_threshold' of the workflow is 3: expected a number, 0 to 1",
    )
    (problem,) = problems(XRM, raw=raw, vessel_low=5)
    assert "low is 5 and high 3.2; expected low < high (low is the input vessel_low of the workflow, high is" in problem


@pytest.mark.slow
def test_a_step_that_fails_names_the_input(tmp_path: Path) -> None:
    wide = np.full((24, 24, 24), 255, np.uint8)
    spec = VolumeSpec.of(wide.shape, "uint8", voxel_size_nm=(650,) * 3)
    voxome.create(f"zarr://{tmp_path}/wide.zarr", spec)[...] = wide
    inputs = {"raw": f"zarr://{tmp_path}/wide.zarr", "vessel_probability": wide, "vessel_reach_um": 0.65}
    inputs |= {"detect_no_data": False}
    with pytest.raises(RunFailed, match=r"larger reach_um[\s\S]*reach_um is vessel_reach_um"):
        run(XRM, inputs, out=tmp_path / "out", engine="sequential", block=(12, 12, 12))
