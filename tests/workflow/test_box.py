"""Runs over a box leave arrays of the box, at the same indices and positions as their inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome import Box, Volume
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.errors import PlanError
from voxome.registry import load
from voxome.resources.table import TableFile, write_table
from voxome.tools.common.cells.methods import downsample_array
from voxome.tools.common.statistics import HISTOGRAM
from voxome.workflow.cwl import load as load_workflow
from voxome.workflow.describe import document
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.verbs import run, tool

DOMAIN = Box((-3, 2, 5), (9, 302, 21))
BOX = Box((-2, 7, 8), (8, 296, 19))
BLOCK = (5, 64, 8)
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], mask: ["null", File, string], store: string}
outputs:
  tissue: {type: File, outputSource: look/tissue}
  counts: {type: File, outputSource: count/result}
steps:
  first: {run: common.threshold.cwl, in: {image: raw, at: {default: 100}, store: store}, out: [result]}
  look: {run: common.tissue.cwl, in: {image: raw, mask: mask, store: store}, out: [tissue, sections]}
  count: {run: common.statistics.cwl, in: {image: first/result, tissue: look/tissue, store: store}, out: [result]}
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return noise with an offset, whose first index is not 0."""
    spec = voxome.VolumeSpec.of(
        DOMAIN.shape, "uint8", start=DOMAIN.start, voxel_size_nm=(40, 8, 8), offset_nm=(10, 20, 30), chunk=(16, 64, 16)
    )
    values = np.random.default_rng(0).integers(0, 255, DOMAIN.shape)
    values[4:6, 100:180] = 130
    voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)[...] = values
    return tmp_path / "raw.zarr"


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    for name in ("common.threshold", "common.tissue", "common.statistics"):
        (tmp_path / f"{name}.cwl").write_text(document(load("voxome.tools", name).spec))
    (tmp_path / "look.cwl").write_text(WORKFLOW)
    return tmp_path / "look.cwl"


def volume(uri: object) -> Volume:
    return voxome.open(str(uri), expect=Volume)


def rows(path: Path) -> dict[str, list[object]]:
    return {name: values.tolist() for name, values in TableFile(path).read().items()}


@pytest.mark.slow
def test_results_are_arrays_of_the_box_where_the_voxels_of_the_input_are(
    workflow: Path, raw: Path, tmp_path: Path
) -> None:
    for number, block in enumerate((BLOCK, (64, 300, 64), (3, 50, 7))):
        out = tmp_path / str(number)
        run(workflow, {"raw": raw}, out=out, box=BOX, block=block, workers=2, store=tmp_path / f"store{number}")
    run(workflow, {"raw": raw}, out=tmp_path / "all", engine="sequential")
    whole = volume(tmp_path / "all" / "tissue.zarr")
    for number in range(3):
        tissue = volume(tmp_path / f"store{number}" / "tissue.zarr")
        assert tissue.domain == BOX
        assert tissue.spec.centre_nm(BOX.start) == volume(raw).spec.centre_nm(BOX.start)
        assert np.array_equal(tissue[...], whole.cutout(BOX))
        assert rows(tmp_path / f"store{number}" / "counts.parquet") == rows(tmp_path / "store0" / "counts.parquet")
    inside = np.where(volume(raw).cutout(BOX) > 100, 255, 0)[whole.cutout(BOX) == 1]
    values, voxels = np.unique(inside, return_counts=True)
    assert rows(tmp_path / "store0" / "counts.parquet") == {"value": values.tolist(), "voxels": voxels.tolist()}
    steps = tmp_path / "store0" / ".voxome" / "steps"
    assert {str(volume(path).domain) for path in steps.glob("*/result.zarr")} == {str(BOX)}


@pytest.mark.slow
def test_levels_of_a_box_with_an_odd_corner_cover_it_and_are_of_level_0(
    workflow: Path, raw: Path, tmp_path: Path
) -> None:
    run(workflow, {"raw": raw}, out=tmp_path / "out", box=BOX, block=BLOCK, engine="threads", workers=2)
    finest = volume(tmp_path / "out" / "tissue.zarr")
    pyramid = ability(finest.source, SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (1, 2, 2), (1, 4, 4)]
    for number in (1, 2):
        level, factor = finest.level(number), 2**number
        assert level.domain == BOX.coarsen((1, factor, factor))
        assert level.voxel_size_nm == (40, 8 * factor, 8 * factor)
        assert level.spec.offset_nm == (10, 20 + 4 * (factor - 1), 30 + 4 * (factor - 1))
        assert np.array_equal(level[...], downsample_array(finest[...], BOX, (1, factor, factor), "mean"))


@pytest.mark.slow
def test_another_box_in_the_same_folder_takes_the_place_of_the_first(workflow: Path, raw: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", Box((0, 7, 8), (8, 290, 20))
    run(workflow, {"raw": raw}, out=out, box=BOX, block=BLOCK, engine="sequential")
    record = run(workflow, {"raw": raw}, out=out, box=other, block=BLOCK, engine="sequential")
    assert f"step look runs again: box changed from {BOX} to {other}" in record["changes"]
    assert volume(out / "tissue.zarr").domain == other
    again = run(workflow, {"raw": raw}, out=out, box=other, block=BLOCK, engine="sequential")
    assert sum(step["blocks"]["run"] for step in again["steps"]) == 0
    run(workflow, {"raw": raw}, out=tmp_path / "new", box=other, block=BLOCK, engine="sequential")
    assert np.array_equal(volume(out / "tissue.zarr")[...], volume(tmp_path / "new" / "tissue.zarr")[...])
    assert rows(out / "counts.parquet") == rows(tmp_path / "new" / "counts.parquet")
    assert len(list((out / ".voxome" / "steps").iterdir())) == len(record["steps"])


@pytest.mark.slow
def test_a_result_of_a_box_is_an_input_of_the_next_run(workflow: Path, raw: Path, tmp_path: Path) -> None:
    run(workflow, {"raw": raw}, out=tmp_path / "one", box=BOX, block=BLOCK, engine="sequential")
    mask = tmp_path / "one" / "tissue.zarr"
    inputs = {"raw": raw, "mask": mask}
    record = run(workflow, inputs, out=tmp_path / "two", box=BOX, block=BLOCK, engine="sequential")
    assert any(f"the run covers {BOX}" in warning for warning in record["warnings"])
    result = volume(tmp_path / "two" / "tissue.zarr")
    assert result.domain == BOX
    assert (result[...][volume(mask)[...] == 0] != 1).all()
    for box in (None, DOMAIN):
        with pytest.raises(PlanError, match=rf"tissue\.zarr\) covers {BOX}, but the run {DOMAIN}"):
            run(workflow, inputs, out=tmp_path / "three", box=box)


@pytest.mark.slow
def test_a_handle_of_a_box_knows_the_whole_volume(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = tool("common.threshold", {"image": raw, "at": 100}, out="one", box=BOX, block=BLOCK)["result"]
    assert (result.box, result.domain) == (str(BOX), str(DOMAIN))
    Path("result.handle.json").write_text(json.dumps(result.to_json()))
    histogram = tmp_path / "histogram.parquet"
    write_table(histogram, {"value": np.zeros(1, "i8"), "voxels": np.ones(1, "i8")}, HISTOGRAM.columns)
    inputs = {"raw": raw, "histogram": histogram, "membranes": "result.handle.json"}
    one = tool("em.network", inputs, out="two", box=BOX, block=BLOCK)["affinities"]
    assert (one.box, one.domain) == (str(BOX), str(DOMAIN))
    assert volume(one.uri).spec.frame == BOX
    two = tool("em.network", inputs, out="two", block=BLOCK)["affinities"]
    assert two.box == str(BOX)
    assert np.array_equal(volume(one.uri)[...], volume(two.uri)[...])


@pytest.mark.slow
@pytest.mark.parametrize("block", [(4, 64, 8), (3, 33, 5)])
def test_a_coarser_result_of_a_box_with_an_odd_corner_does_not_depend_on_blocks(
    raw: Path, tmp_path: Path, block: tuple[int, int, int]
) -> None:
    result = tool("common.downsample", {"image": raw}, out=tmp_path / "out", box=BOX, block=block, workers=2)["result"]
    coarse = volume(result.uri)
    assert (coarse.domain, result.box) == (BOX.coarsen((2, 2, 2)), str(BOX.coarsen((2, 2, 2))))
    assert (result.domain, result.voxel_size_nm) == (str(DOMAIN.coarsen((2, 2, 2))), (80, 16, 16))
    assert np.array_equal(coarse[...], downsample_array(volume(raw).cutout(BOX), BOX, (2, 2, 2), "mean"))
    (tmp_path / "result.handle.json").write_text(json.dumps(result.to_json()))
    inputs = {"image": tmp_path / "result.handle.json", "at": 128}
    mask = tool("common.threshold", inputs, out=tmp_path / "mask", block=block)["result"]
    assert volume(mask.uri).voxel_size_nm == (80, 16, 16)
    assert np.array_equal(volume(mask.uri)[...], np.where(coarse[...] > 128, 255, 0))


def test_a_new_array_whose_chunks_two_blocks_would_share_is_refused_beside_an_existing_one(
    raw: Path, tmp_path: Path
) -> None:
    histogram = tmp_path / "histogram.parquet"
    write_table(histogram, {"value": np.zeros(1, "i8"), "voxels": np.ones(1, "i8")}, HISTOGRAM.columns)
    spec = voxome.VolumeSpec.of(
        DOMAIN.shape, "uint8", start=DOMAIN.start, voxel_size_nm=(40, 8, 8), offset_nm=(10, 20, 30), chunk=(4, 64, 8)
    )
    voxome.create(f"zarr://{tmp_path}/existing.zarr", spec)
    voxome.create(f"zarr://{tmp_path}/membranes.zarr", spec)
    inputs = {"raw": raw, "histogram": histogram, "membranes": tmp_path / "membranes.zarr"}
    into = {"membranes": f"zarr://{tmp_path}/existing.zarr"}
    with pytest.raises(PlanError, match="affinities cannot be created for the box -2:8,7:296,8:19"):
        tool("em.network", inputs, out=tmp_path / "out", into=into, box=BOX, block=(4, 64, 8))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_steps_of_a_box_see_the_voxels_around_it(workflow: Path, raw: Path) -> None:
    plan = make_plan(load_workflow(workflow), {"raw": str(raw)}, RunOptions(box=BOX))
    frames = {step.name: step.frame for step in plan.steps}
    assert frames["first"] == frames["look"] == frames["count"]
    assert frames["look"] is not None
    assert (frames["look"].box, frames["look"].domain) == (BOX, DOMAIN)
    count = next(step for step in plan.steps if step.name == "count")
    assert (count.inputs["image"].box, count.inputs["image"].domain) == (str(BOX), str(DOMAIN))
