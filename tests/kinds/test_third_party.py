"""A kind of another package in a workflow: block by block, killed and resumed, in folders and on S3."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.contracts.kinds import Kind
from voxome.errors import PlanError
from voxome.geometry.grid import Block
from voxome.registry import load
from voxome.resources.table import TableFile
from voxome.storage.find import storage_at
from voxome.testing.kind import KindContract
from voxome.workflow.cwl import load as load_workflow
from voxome.workflow.describe import document
from voxome.workflow.invariance import check_invariance
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.verbs import run

PLUGINS = Path(__file__).parent / "plugins"
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], delay: double?, store: string}
outputs:
  points: {type: File, outputSource: find/result}
  density: {type: File, outputSource: spread/result}
  planes: {type: File, outputSource: count/result}
steps:
  find: {run: points.bright.cwl, in: {image: raw, delay_s: delay, store: store}, out: [result]}
  spread: {run: points.near.cwl, in: {image: raw, points: find/result, store: store}, out: [result]}
  count: {run: points.count.cwl, in: {points: find/result, store: store}, out: [result]}
"""
REGIONS = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], store: string}
outputs:
  points: {type: File, outputSource: list/result}
  total: {type: File, outputSource: sums/result}
steps:
  gather: {run: points.gather.cwl, in: {image: raw, store: store}, out: [points, sums]}
  list: {run: points.list.cwl, in: {points: gather/points, store: store}, out: [result]}
  sums: {run: points.list.cwl, in: {points: gather/sums, store: store}, out: [result]}
"""
SHAPE = (24, 20, 16)
CUBES = (8, 8, 8)


@pytest.fixture
def plugins(install_plugins: Callable[[Path], None]) -> None:
    install_plugins(PLUGINS)


@pytest.fixture
def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, SHAPE).astype(np.uint8)


@pytest.fixture
def workflow(plugins: None, tmp_path: Path, noise: NDArray[np.uint8]) -> Path:
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(8, 8, 8), voxel_size_nm=(8, 8, 8))
    voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)[...] = noise
    for name in ("bright", "near", "count", "gather", "list"):
        (tmp_path / f"points.{name}.cwl").write_text(document(load("voxome.tools", f"points.{name}").spec))
    (tmp_path / "points.cwl").write_text(WORKFLOW)
    return tmp_path / "points.cwl"


def assert_right(folder: Path, noise: NDArray[np.uint8]) -> None:
    points = np.argwhere(noise > 250)
    text = (folder / "points.csv").read_text().splitlines()[1:]
    assert [tuple(map(int, line.split(","))) for line in text] == list(map(tuple, points.tolist()))
    density = np.zeros(SHAPE, np.uint8)
    for z, y, x in points:
        density[max(z - 2, 0) : z + 3, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] += 1
    assert np.array_equal(voxome.open(f"{folder}/density.zarr", expect=voxome.Volume)[...], density)
    rows = TableFile(folder / "planes.parquet").read()
    assert rows["points"].sum() == len(points)


@pytest.mark.slow
def test_a_workflow_uses_the_kind_end_to_end(workflow: Path, tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    record = run(workflow, {"raw": str(tmp_path / "raw.zarr")}, out=tmp_path / "out", workers=2, block=CUBES)
    assert_right(tmp_path / "out", noise)
    assert sorted(step["blocks"]["run"] for step in record["steps"]) == [1, 18, 18]
    again = run(workflow, {"raw": str(tmp_path / "raw.zarr")}, out=tmp_path / "out", engine="sequential", block=CUBES)
    assert sum(step["blocks"]["run"] for step in again["steps"]) == 0
    (tmp_path / "out" / "points.csv").unlink()
    run(workflow, {"raw": str(tmp_path / "raw.zarr")}, out=tmp_path / "out", engine="sequential", block=CUBES)
    assert_right(tmp_path / "out", noise)


@pytest.mark.slow
def test_a_killed_run_resumes(workflow: Path, tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(workflow), "--out", str(out), "--block", "8,8,8"]
    command += ["--set", f"raw={tmp_path}/raw.zarr", "--set", "delay=0.3", "--workers", "2"]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(out.glob(".voxome/steps/find-*/result/*.csv"))) < 4:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "points.csv").exists()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert '"reused"' in done.stdout
    assert_right(out, noise)


@pytest.mark.slow
def test_a_kind_can_be_the_output_of_a_tool_of_regions(
    workflow: Path, tmp_path: Path, noise: NDArray[np.uint8]
) -> None:
    (tmp_path / "regions.cwl").write_text(REGIONS)
    raw, out = {"raw": str(tmp_path / "raw.zarr")}, tmp_path / "out"
    run(tmp_path / "regions.cwl", raw, out=out, engine="sequential", block=CUBES)
    points = np.argwhere(noise > 250)
    assert _points(out / "points.csv") == sorted(map(tuple, points.tolist()))
    assert _points(out / "total.csv") == [tuple(points.sum(axis=0).tolist())]
    (out / "points.csv").unlink()
    next(out.glob(".voxome/steps/gather-*/points/0-1.csv")).unlink()
    run(tmp_path / "regions.cwl", raw, out=out, engine="sequential", block=CUBES)
    assert _points(out / "points.csv") == sorted(map(tuple, points.tolist()))


@pytest.mark.slow
@pytest.mark.usefixtures("plugins")
def test_results_of_the_kind_are_compared_for_different_blocks(noise: NDArray[np.uint8]) -> None:
    report = check_invariance("points.bright", {"image": noise})
    assert (report.differences, report.not_compared) == ((), ())


def _points(path: Path) -> list[tuple[int, ...]]:
    return sorted(tuple(map(int, line.split(","))) for line in path.read_text().splitlines()[1:])


@pytest.mark.slow
def test_problems_of_the_kind_are_in_the_plan(workflow: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text("x,y,z\n")
    graph = load_workflow(_whole(tmp_path))
    with pytest.raises(PlanError, match=r"points .*wrong\.csv.* must begin with the line z,y,x"):
        make_plan(graph, {"points": str(tmp_path / "wrong.csv")}, RunOptions(block=CUBES))
    with pytest.raises(PlanError, match=r"the points .*none\.csv do not exist"):
        make_plan(graph, {"points": str(tmp_path / "none.csv")}, RunOptions(block=CUBES))
    with pytest.raises(PlanError, match=r"needs a csv-points as points, but it is a volume"):
        make_plan(load_workflow(_miswired(tmp_path)), {"raw": str(tmp_path / "raw.zarr")}, RunOptions(block=CUBES))


def _whole(folder: Path) -> Path:
    (folder / "whole.cwl").write_text("""
cwlVersion: v1.2
class: Workflow
inputs: {points: [File, string], store: string}
outputs: {planes: {type: File, outputSource: count/result}}
steps: {count: {run: points.count.cwl, in: {points: points, store: store}, out: [result]}}
""")
    return folder / "whole.cwl"


def _miswired(folder: Path) -> Path:
    (folder / "common.threshold.cwl").write_text(document(load("voxome.tools", "common.threshold").spec))
    (folder / "miswired.cwl").write_text("""
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], store: string}
outputs: {planes: {type: File, outputSource: count/result}}
steps:
  mask: {run: common.threshold.cwl, in: {image: raw, store: store}, out: [result]}
  count: {run: points.count.cwl, in: {points: mask/result, store: store}, out: [result]}
""")
    return folder / "miswired.cwl"


class TestPoints(KindContract):
    @pytest.fixture
    def store(self, any_store: str) -> str:
        return any_store

    @pytest.fixture
    def kind(self, plugins: None) -> Kind:
        from voxome_points import Points

        return Points()

    def value(self, block: Block) -> object:
        return np.array([block.write.start])

    def content(self, uri: str) -> Any:
        return storage_at(uri).read_bytes()


class TestPointTree(KindContract):
    scope = "regions"

    @pytest.fixture
    def kind(self, plugins: None) -> Kind:
        from voxome_points import PointTree

        return PointTree()

    def value(self, block: Block) -> object:
        return dict(zip("zyx", np.array([block.write.start, block.write.stop]).T, strict=True))

    def content(self, uri: str) -> Any:
        folder = storage_at(uri)
        return {name: (folder / name).read_bytes() for name in folder.names()}


@pytest.mark.parametrize(
    "columns", [[("z",), ("z", "y")], [("z", "y"), ("z",)], [None, ("z",)], [("z",), None]], ids=str
)
def test_the_suite_notices_a_result_with_other_columns(
    plugins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: list[tuple[str, ...] | None]
) -> None:
    from voxome_points import Points

    results = iter(None if names is None else {name: np.zeros(1) for name in names} for names in columns)
    monkeypatch.setattr(Points, "arrays", lambda *_: next(results))
    with pytest.raises(AssertionError):
        TestPoints().test_results_can_be_compared_if_the_kind_gives_arrays(Points(), str(tmp_path / "store"))
