"""Steps: their key, JSON form and number of blocks."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

from voxome.blocks.step import JOBS_PER_STEP, Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.geometry import Box

FRAME = Frame(Box((-4, 0, 0), (60, 64, 64)), Box((0, 0, 0), (60, 64, 64)), (8.0, 8.0, 8.0), (0.0, 0.0, 4.0))
STEP = Step("cut", "common.threshold", "1", {"at": 3.0}, {"image": Handle("volume", "zarr://a", "k")}, FRAME, (8, 8, 8))


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


def test_a_tree_of_regions_ends_in_one_region() -> None:
    step = replace(STEP, tool="em.fragments_join", inputs={"basins": Handle("volume", "zarr://a", "k")}, parameters={})
    grids = [grid for grid in step.phases if grid is not None]
    assert [len(grid) for grid in grids] == [8 * 8 * 8, 4 * 4 * 4, 2 * 2 * 2, 1]
    assert step.total == sum(len(grid) for grid in grids)


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
