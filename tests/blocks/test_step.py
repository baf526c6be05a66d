"""Steps: their key, JSON form and number of blocks."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from blocks.bench import Bench

from voxome.blocks.job import OpenStep
from voxome.blocks.runner import run_step
from voxome.blocks.step import JOBS_PER_STEP, Step
from voxome.contracts.engine import Job, Resources
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.json_text import json_text
from voxome.engines.sequential import SequentialEngine
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.statistics import statistics

FRAME = Frame(Box((-4, 0, 0), (60, 64, 64)), Box((0, 0, 0), (60, 64, 64)), (8.0, 8.0, 8.0), (0.0, 0.0, 4.0))
STEP = Step(
    name="cut",
    tool="common.threshold",
    version="1",
    parameters={"at": 3.0},
    inputs={"image": Handle("volume", "zarr://a", "k")},
    frame=FRAME,
    block=(8, 8, 8),
)


def test_a_step_survives_json() -> None:
    again = Step.from_json(json.loads(json.dumps(STEP.to_json())))
    assert again == STEP
    assert again.key == STEP.key


def test_the_key_changes_with_everything_that_affects_the_result() -> None:
    others = [
        replace(STEP, version="2"),
        replace(STEP, parameters={"at": 4.0}),
        replace(STEP, inputs={"image": Handle("volume", "zarr://a", "other")}),
        replace(STEP, block=(8, 8, 16)),
        replace(STEP, frame=replace(FRAME, box=Box((0, 0, 0), (60, 64, 32)))),
        replace(STEP, frame=replace(FRAME, voxel_size_nm=None)),
    ]
    assert len({STEP.key, *(other.key for other in others)}) == len(others) + 1


def test_the_key_does_not_depend_on_name_or_location() -> None:
    assert replace(STEP, name="other", home="{store}/elsewhere").key == STEP.key


def test_a_step_whose_parameter_is_nan_is_json_and_opens_with_nan(tmp_path: Path) -> None:
    step = replace(STEP, tool="common.tissue", inputs={}, parameters={"no_data": math.nan, "detect": True})
    text = json_text(step.to_json(), "the step")
    opened = OpenStep(Step.from_json(json.loads(text, parse_constant=pytest.fail)), str(tmp_path))
    assert math.isnan(opened.step.parameters["no_data"])
    assert opened.step.key == step.key


def test_a_parameter_that_is_not_json_has_no_key() -> None:
    step = replace(STEP, parameters={"at": {"low": [1.0, object()]}})
    with pytest.raises(InvalidInput, match=r"step cut: parameters\.at\.low\.1 is of type object"):
        _ = step.key


def test_a_tree_of_regions_ends_in_one_region() -> None:
    step = replace(STEP, tool="em.fragments_join", inputs={"basins": Handle("volume", "zarr://a", "k")}, parameters={})
    grids = [grid for grid in step.phases if grid is not None]
    assert [len(grid) for grid in grids] == [8 * 8 * 8, 4 * 4 * 4, 2 * 2 * 2, 1]
    assert step.total == sum(len(grid) for grid in grids)


@pytest.mark.slow
def test_jobs_ask_for_the_cores_and_cards_that_the_tool_needs(
    folder_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[Resources] = []

    class Engine(SequentialEngine):
        def submit(self, jobs: Sequence[Job]) -> None:
            submitted.extend(job.resources for job in jobs)
            super().submit(jobs)

    monkeypatch.setitem(statistics.__dict__, "spec", replace(statistics.spec, cpus=4, gpus=1))
    step = folder_bench.step("common.statistics", (64, 64, 64))
    run_step(step, str(folder_bench.folder), Engine(), folder_bench.records)
    assert [(one.cpus, one.gpus, one.unbounded_memory) for one in submitted] == [(4, 1, False), (1, 0, True)]


def test_the_memory_of_a_step_does_not_grow_with_its_blocks() -> None:
    domain = Box((0, 0, 0), (6400, 6400, 6400))
    tracemalloc.start()
    for number in range(5):
        step = replace(STEP, name=f"s{number}", frame=replace(FRAME, domain=domain, box=domain), block=(64, 64, 64))
        assert step.total == 1_000_000
        assert step.jobs(0) <= JOBS_PER_STEP
        assert json.dumps(step.to_json())
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
