"""A plan reports all problems of a run at once, before it starts."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workflow.pipeline import CONNECTOME

import voxome
from voxome.blocks.step import JOBS_PER_STEP
from voxome.errors import PlanError
from voxome.geometry import Box
from voxome.remotes.zarr.source import ZarrSource
from voxome.resources.table import write_table
from voxome.workflow.cwl import load
from voxome.workflow.graph import Graph, GraphInput
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import Plan, make_plan

TOOLS = Path(__file__).parents[2] / "pipelines" / "tools"
ONE_STEP = f"""
cwlVersion: v1.2
class: Workflow
inputs: {{raw: [File, string], at: double, store: string}}
outputs: {{mask: {{type: File, outputSource: mark/result}}}}
steps:
  mark: {{run: {TOOLS}/common.threshold.cwl, in: {{image: raw, at: at, store: store}}, out: [result]}}
"""
SHAPE = (24, 20, 16)
Bind = Callable[..., Plan]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return load(CONNECTOME)


@pytest.fixture
def bind(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bind:
    """Return a function that plans the EM pipeline over volumes in the working directory."""
    monkeypatch.chdir(tmp_path)
    make("raw")
    make("membranes")

    def plan(options: RunOptions | None = None, **changes: Any) -> Plan:
        given = {"raw": "raw.zarr", "membranes": "membranes.zarr", **changes}
        return make_plan(graph, {k: v for k, v in given.items() if v is not None}, options or RunOptions())

    return plan


def make(name: str, dtype: str = "uint8", shape: tuple[int, ...] = SHAPE, **changes: Any) -> None:
    spec = voxome.VolumeSpec.of(shape, dtype, **{"voxel_size_nm": (10, 10, 10), **changes})
    voxome.create(f"zarr://{name}.zarr", spec)


def problems(bind: Bind, options: RunOptions | None = None, **changes: Any) -> tuple[str, ...]:
    with pytest.raises(PlanError) as raised:
        bind(options, **changes)
    return raised.value.problems


@pytest.mark.slow
def test_a_missing_path_is_a_problem(bind: Bind) -> None:
    assert problems(bind, raw="none.zarr") == (
        "none.zarr does not exist; give an existing path, or a URI such as zarr://PATH",
    )


@pytest.mark.slow
def test_blocks_that_read_large_chunks_again_and_again_are_warned_of(bind: Bind) -> None:
    shape, options = (64, 64, 64), RunOptions(block=(16, 16, 16))
    for name, edge in (("divided", 16), ("whole", 64)):
        make(name, shape=shape, chunk=(edge, edge, edge))
    make("membranes_64", shape=shape, chunk=(16, 16, 16))

    def warnings(raw: str) -> list[str]:
        plan = bind(options, raw=f"{raw}.zarr", membranes="membranes_64.zarr")
        return [text for text in plan.warnings if "bytes for each byte wanted" in text]

    assert warnings("divided") == []
    found = warnings("whole")
    assert found
    assert all("whole.zarr: the blocks of step" in text and "chunks have 64,64,64" in text for text in found)


@pytest.mark.slow
def test_chunks_are_counted_from_where_the_server_begins_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make("raw", shape=(64, 64, 64), start=(4, 4, 4), chunk=(16, 16, 16))
    Path("one.cwl").write_text(ONE_STEP)

    def warnings() -> list[str]:
        plan = make_plan(load("one.cwl"), {"raw": "raw.zarr", "at": 9.0}, RunOptions(block=(8, 8, 8)))
        return [text for text in plan.warnings if "bytes for each byte wanted" in text]

    assert warnings() == [], "each block reads one of 8 times as many voxels"
    monkeypatch.setattr(ZarrSource, "chunk_origin", (0, 0, 0), raising=False)
    monkeypatch.setattr(ZarrSource, "count_requests", lambda self, box: 1, raising=False)
    (text,) = warnings()
    assert "the blocks of step mark" in text


@pytest.mark.slow
def test_wrong_dtypes_are_problems(bind: Bind) -> None:
    make("float", "float32")
    make("signed", "int32")
    (problem,) = problems(bind, membranes="signed.zarr")
    assert "must be uint8, but it is int32; add ?window=LO:HI to its URI" in problem
    joined = "\n".join(problems(bind, raw="signed.zarr", membranes=None))
    assert "image is int32; a histogram needs 8- or 16-bit integers" in joined
    assert "raw is int32, but model 'membranes' was trained on uint8" in joined


@pytest.mark.slow
def test_a_volume_of_another_rank_is_a_problem(bind: Bind) -> None:
    np.save("plane.npy", np.zeros(SHAPE[1:], np.uint8))
    (problem, *_) = problems(bind, raw="plane.npy")
    assert "must have axes z/y/x, but it has y/x and shape (20, 16)" in problem
    make("channels", shape=(2, *SHAPE), axes=("c", "z", "y", "x"))
    (problem, *_) = problems(bind, raw="channels.zarr")
    assert "must have axes z/y/x, but it has c/z/y/x" in problem


@pytest.mark.slow
def test_unknown_names_suggest_the_closest_match(bind: Bind) -> None:
    found = problems(bind, RunOptions(blocks={"segmnt.edges": (8, 8, 8)}), membrane="x", method="meen")
    assert len(found) == 3
    assert any("Unknown workflow input 'membrane'; did you mean 'membranes'?" in problem for problem in found)
    assert any("Unknown step 'segmnt.edges'; did you mean 'segment.edges'?" in problem for problem in found)
    assert any("input 'method' of the workflow is 'meen'" in problem for problem in found)


def test_a_problem_of_one_input_does_not_hide_those_of_others(bind: Bind) -> None:
    make("signed", "int32")
    joined = "\n".join(problems(bind, raw="none.zarr", membranes="signed.zarr", threshold="high"))
    assert all(text in joined for text in ("none.zarr", "uint8, but it is int32", "input 'threshold' of the workflow"))


@pytest.mark.parametrize("box", [Box((0, 0, 0), (8, 8, 17)), Box((0, 3, 0), (8, 3, 8)), Box((0, 0), (8, 8))], ids=str)
def test_a_box_outside_the_volume_is_a_problem(bind: Bind, box: Box) -> None:
    (problem,) = problems(bind, RunOptions(box=box))
    assert str(box) in problem
    assert "inside 0:24,0:20,0:16" in problem


def test_volumes_with_other_voxels_are_a_problem(bind: Bind) -> None:
    make("small", shape=(8, 8, 8), voxel_size_nm=None)
    assert any("must have the same voxels" in problem for problem in problems(bind, membranes="small.zarr"))
    make("apart", shape=(8, 8, 8), start=(30, 0, 0))
    assert any("some voxels that they share" in problem for problem in problems(bind, membranes="apart.zarr"))


@pytest.mark.slow
def test_a_run_covers_what_its_volumes_share_and_says_so(bind: Bind) -> None:
    make("small", shape=(8, 9, 10), start=(4, 5, 10))
    plan = bind(membranes="small.zarr")
    shared = Box((4, 5, 10), (12, 14, 16))
    assert {str(step.frame.box) for step in plan.steps if step.frame and "membranes" in step.inputs} == {str(shared)}
    assert any(str(shared) in warning for warning in plan.warnings)
    assert any("is not in" in problem for problem in problems(bind, RunOptions(box="0:6,:,:"), membranes="small.zarr"))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"offset_nm": (0, 50, -100)}, "?start=0,5,-10"),
        ({"offset_nm": (0, 50, -100), "start": (1, 1, 1)}, "?start=1,6,-9"),
        ({"voxel_size_nm": (10, 10, 11)}, "has voxels of 10,10,11 nm"),
    ],
)
def test_volumes_at_other_places_are_a_problem(bind: Bind, place: dict[str, Any], expected: str) -> None:
    make("moved", **place)
    assert any(expected in problem for problem in problems(bind, membranes="moved.zarr"))


@pytest.mark.slow
def test_an_offset_of_half_a_voxel_is_a_convention(bind: Bind) -> None:
    make("corner", offset_nm=(5, 5, 5))
    assert bind(membranes="corner.zarr").steps


@pytest.mark.slow
def test_a_voxel_size_is_required_and_assumed_only_by_force(bind: Bind) -> None:
    make("bare", voxel_size_nm=None)
    assert any("raw has no voxel size" in problem for problem in problems(bind, raw="bare.zarr"))
    warnings = bind(RunOptions(force=True), raw="bare.zarr").warnings
    assert any("assume 10 nm voxels" in warning for warning in warnings)
    sized = bind(RunOptions(voxel_size_nm=(10, 10, 10)), raw="bare.zarr")
    assert not any("voxel size" in warning for warning in sized.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bool", "float32", "float64"])
def test_membranes_from_0_to_1_are_scaled_with_a_warning(bind: Bind, dtype: str) -> None:
    make("fractions", dtype)
    voxome.open("fractions.zarr", mode="r+", expect=voxome.Volume)[3:5] = 1
    plan = bind(membranes="fractions.zarr")
    assert any("values from 0 to 1 are read as 0 to 255 (uint8)" in warning for warning in plan.warnings)
    (handle,) = {step.inputs["membranes"].uri for step in plan.steps if step.tool == "em.network"}
    assert np.array_equal(np.unique(voxome.open(handle, expect=voxome.Volume)[:]), [0, 255])
    assert handle in str(plan.to_json()["inputs"]["membranes"])


@pytest.mark.slow
def test_membranes_of_other_floats_need_a_window(bind: Bind) -> None:
    make("logits", "float32")
    voxome.open("logits.zarr", mode="r+", expect=voxome.Volume)[3:5] = -4
    assert any("values from -4 to 0" in problem for problem in problems(bind, membranes="logits.zarr"))
    assert bind(membranes="logits.zarr?window=0:-4")


@pytest.mark.slow
def test_a_window_in_per_cent_is_planned_in_grey_values(bind: Bind) -> None:
    make("deep", "uint16")
    voxome.open("deep.zarr", mode="r+", expect=voxome.Volume)[:] = np.arange(24 * 20 * 16).reshape(SHAPE)
    one, two = (bind(raw="deep.zarr?window=0%:100%", membranes=None) for _ in range(2))
    assert one.inputs["raw"]["uri"].endswith("?window=0:7679")
    assert one.key == two.key
    assert any("values from 0 to 7679 are read as 0 to 255" in warning for warning in one.warnings)
    assert one.key != bind(raw="deep.zarr?window=0%:50%", membranes=None).key


@pytest.mark.slow
def test_the_contrast_of_the_image_is_looked_at_in_the_box_of_the_run(bind: Bind) -> None:
    noise = np.random.default_rng(0).integers(1, 250, (12, 20, 16))
    voxome.open("raw.zarr", mode="r+", expect=voxome.Volume)[12:] = noise
    assert any("raw.zarr) has no data in 5" in warning for warning in bind().warnings)
    assert any("raw.zarr) has a single grey value" in warning for warning in bind(RunOptions(box="0:12,:,:")).warnings)
    assert bind(RunOptions(box="12:24,:,:")).warnings == ()


@pytest.mark.slow
def test_a_voxel_size_other_than_that_of_the_network_is_a_problem(bind: Bind) -> None:
    make("coarse", voxel_size_nm=(20, 20, 20))
    (problem,) = problems(bind, raw="coarse.zarr", membranes=None)
    assert "20,20,20 nm" in problem
    assert "trained on 10,10,10 nm" in problem
    plan = bind(RunOptions(force=True), raw="coarse.zarr", membranes=None)
    assert any("trained on 10,10,10 nm" in warning for warning in plan.warnings)


@pytest.mark.slow
def test_the_plan_does_not_depend_on_the_working_directory(
    bind: Bind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = bind()
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    there = bind(raw=f"{tmp_path}/raw.zarr", membranes=f"zarr://{tmp_path}/membranes.zarr")
    assert here.to_json() == there.to_json()
    assert here.inputs["raw"]["uri"] == f"zarr://{tmp_path}/raw.zarr"


def test_tables_are_checked_too(tmp_path: Path) -> None:
    from voxome.registry import load as load_plugin
    from voxome.workflow.run_tool import graph_of

    union = graph_of(load_plugin("voxome.tools", "common.union").spec)
    with pytest.raises(PlanError, match=r"none\.parquet.* does not exist"):
        make_plan(union, {"pairs": "none.parquet"}, RunOptions())
    write_table(tmp_path / "other.parquet", {"x": np.zeros(2)}, {"x": "float64"})
    with pytest.raises(PlanError, match="lacks columns: a, b"):
        make_plan(union, {"pairs": tmp_path / "other.parquet"}, RunOptions())
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "other.parquet").read_bytes()[:100])
    with pytest.raises(PlanError, match="not a readable Parquet"):
        make_plan(union, {"pairs": tmp_path / "cut.parquet"}, RunOptions())
    (tmp_path / "a.handle.json").write_text(
        '{"voxome": "handle", "format_version": 1, "type": "volume", "uri": "zarr://x"}'
    )
    with pytest.raises(PlanError, match=r"pairs is a table, but .* is the handle of a volume"):
        make_plan(union, {"pairs": tmp_path / "a.handle.json"}, RunOptions())


@pytest.mark.slow
def test_another_version_of_a_tool_causes_a_warning(bind: Bind, graph: Graph) -> None:
    steps = tuple(replace(n, version="0.9") if n.tool == "em.edges" else n for n in graph.steps)
    given = {"raw": "raw.zarr", "membranes": "membranes.zarr"}
    warnings = make_plan(replace(graph, steps=steps), given, RunOptions()).warnings
    assert any("step segment.edges was written for em.edges 0.9; version 1 is installed" in one for one in warnings)


@pytest.mark.slow
def test_pyramids_are_planned(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("raw", "membranes"):
        make(name, shape=(8, 300, 16))
    plan = make_plan(graph, {"raw": "raw.zarr", "membranes": "membranes.zarr"}, RunOptions())
    levels = [step.name for step in plan.steps if ".level" in step.name]
    assert levels == [f"{name}.level{i}" for name in ("affinities", "membranes", "neurons") for i in (1, 2)]
    assert [step.name for step in plan.steps[-6:]] == levels


@pytest.mark.slow
def test_pyramids_halve_the_longest_axis_of_voxels_last(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("raw", "membranes"):
        make(name, shape=(8, 600, 16))
    options = RunOptions(voxel_size_nm=(40.0, 10.0, 10.0))
    plan = make_plan(graph, {"raw": "raw.zarr", "membranes": "membranes.zarr"}, options)
    levels = [step for step in plan.steps if step.name.startswith("neurons.level")]
    assert [step.parameters["factors"] for step in levels] == ["1,2,2", "1,2,2", "2,2,2"]
    assert levels[-1].frame is not None
    assert levels[-1].frame.voxel_size_nm == (40.0, 40.0, 40.0)


@pytest.mark.slow
def test_values_have_the_types_that_the_workflow_declares(graph: Graph, bind: Bind) -> None:
    one = graph.inputs["threshold"]
    assert one.types == ("double",)
    narrow = replace(graph, inputs={**graph.inputs, "threshold": replace(one, types=("int",))})
    values = {"raw": "raw.zarr", "membranes": "membranes.zarr"}
    with pytest.raises(PlanError, match=r"input 'threshold' of the workflow is 0\.5; expected a whole number"):
        make_plan(narrow, {**values, "threshold": 0.5}, RunOptions())
    assert make_plan(narrow, {**values, "threshold": 1}, RunOptions()).steps


@pytest.mark.parametrize(
    ("types", "taken", "refused"),
    [
        (("boolean",), [True], [1, "true"]),
        (("int",), [1, np.uint8(1)], [True, 1.0, "1"]),
        (("double",), [1, 0.5, np.float32(0.5)], [False, "0.5", [0.5]]),
        (("int", "boolean"), [1, True], [0.5]),
        (("string",), ["1", Path("a")], [1, True, ["a"]]),
        (("array",), [[1, 2], (1, 2)], ["1,2", 1]),
        (("File", "string"), ["raw.zarr", {"class": "File", "location": "raw.zarr"}], []),
        ((), [1, "a", None], []),
    ],
)
def test_an_input_takes_values_of_its_types(types: tuple[str, ...], taken: list[object], refused: list[object]) -> None:
    one = GraphInput("value", types, required=True)
    assert [one.takes(value) for value in taken] == [True] * len(taken)
    assert [one.takes(value) for value in refused] == [False] * len(refused)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["zarr", "precomputed"])
def test_a_volume_of_10_to_the_15_voxels_is_opened_read_and_planned(scheme: str, tmp_path: Path, bind: Bind) -> None:
    edge = 100_000
    uris = {name: f"{scheme}://{tmp_path}/large_{name}" for name in ("raw", "membranes")}
    for uri in uris.values():
        voxome.create(uri, voxome.VolumeSpec.of((edge,) * 3, "uint8", chunk=(64, 64, 64), voxel_size_nm=(10, 10, 10)))
    bind()  # imports
    tracemalloc.start()
    try:
        assert not voxome.open(uris["raw"])[edge - 64 :, edge - 64 :, edge - 64 :].any()
        plan = bind(RunOptions(block=(64, 64, 64), force=True), **uris)
        text = json.dumps(plan.to_json())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(step.total for step in plan.steps) > 3e9
    assert max(step.jobs(phase) for step in plan.steps for phase in range(len(step.phases))) <= JOBS_PER_STEP
    assert len(text) < 100_000
    assert peak < 20e6


def test_a_plan_error_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(PlanError(["no raw", "no box"])))  # noqa: S301
    assert again.problems == ("no raw", "no box")
    assert str(again) == str(PlanError(["no raw", "no box"]))


@pytest.mark.slow
def test_the_block_of_the_workflow_is_used_unless_the_options_have_one(bind: Bind, graph: Graph) -> None:
    def blocks(plan: Plan) -> set[tuple[int, int, int]]:
        return {step.block for step in plan.steps if ".level" not in step.name and step.spec.scope != "whole"}

    assert blocks(bind(block="4,8,8")) == {(4, 8, 8)}
    assert blocks(bind(RunOptions(block=(8, 8, 8)), block="4,8,8")) == {(8, 8, 8)}
    mixed = bind(RunOptions(blocks={"segment.edges": (6, 8, 8)}), block="4,8,8")
    assert blocks(mixed) == {(4, 8, 8), (6, 8, 8)}
    assert blocks(bind()) == {(64, 128, 128)}
    assert any("'4,8': expected three whole numbers" in one for one in problems(bind, block="4,8"))


@pytest.mark.slow
def test_where_results_are_kept_is_no_input(bind: Bind) -> None:
    for name in ("store", "workers"):
        assert problems(bind, **{name: "2"}) == (
            f"{name!r} is for other CWL runners: leave it out, and give --{name} ({name}=)",
        )
