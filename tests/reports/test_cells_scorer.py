"""The scorer of cells and vessels: checks before a run, and scores after it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.frame import Frame
from voxome.contracts.report import Result, Scorer
from voxome.geometry import Box
from voxome.registry import load
from voxome.reports.cells_scorer import CellsScorer
from voxome.resources.table import write_table

DOMAIN = Box((0, 0, 0), (20, 30, 40))
SIZE_NM = (1000.0, 1000.0, 1000.0)
POSITION = {"z_nm": [5e3, 15e3, 15e3], "y_nm": [5e3, 5e3, 25e3], "x_nm": [5e3, 5e3, 35e3]}


def table(path: Path, columns: dict[str, Any]) -> None:
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    write_table(path, arrays, {name: str(values.dtype) for name, values in arrays.items()})


def write(folder: Path, *, missing: int = 0) -> Path:
    """Write cells, vessels and their graph; the last `missing` rows of the tables are left out."""
    folder.mkdir()
    kept = slice(0, 3 - missing)
    cells = {**POSITION, "radius_nm": [3e3, 4e3, 5e3]}
    table(folder / "cells.parquet", {name: values[kept] for name, values in cells.items()})
    nodes = {**POSITION, "degree": [1, 3, 4]}
    table(folder / "vessel_nodes.parquet", {name: values[kept] for name, values in nodes.items()})
    table(folder / "vessels.parquet", {"length_nm": np.array([1e6, 2e6, 1e6])[kept]})
    spec = voxome.VolumeSpec.of(DOMAIN.shape, "uint8", voxel_size_nm=SIZE_NM)
    voxome.create(f"zarr://{folder}/vessel_mask.zarr", spec)[: 10 - 2 * missing] = 1
    return folder


def results(folder: Path, box: Box = DOMAIN, **frame: Any) -> dict[str, Result]:
    seen = Frame(**{"domain": DOMAIN, "box": box, "voxel_size_nm": SIZE_NM, "offset_nm": (0.0, 0.0, 0.0), **frame})
    found = {
        name: Result("table", str(folder / f"{name}.parquet"), seen) for name in ("cells", "vessels", "vessel_nodes")
    }
    return {**found, "vessel_mask": Result("volume", f"zarr://{folder}/vessel_mask.zarr", seen)}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write(tmp_path / "truth")


def test_the_truth_itself_scores_1(truth: Path) -> None:
    scorer: Scorer = load("voxome.scorers", "common.cells_vessels")()
    assert list(scorer.check(truth, results(truth))) == []
    scores = scorer.score(truth, results(truth))
    assert list(scores) == ["cells", "vessel_mask", "vessels", "branch_points", "inner_branch_points"]
    assert scores["cells"]["f1"] == scores["vessel_mask"]["dice"] == scores["branch_points"]["f1"] == 1
    assert scores["cells"]["radius_error"] == scores["vessels"]["length_error"] == 0
    assert scores["branch_points"]["true_positives"] == 2


def test_true_branch_points_that_cannot_be_seen_may_be_left_out(truth: Path, tmp_path: Path) -> None:
    found = write(tmp_path / "found")
    graph = {"id": np.arange(1, 9, dtype=np.uint64), "degree": np.array([3, 1, 1, 1, 3, 1, 1, 1])}
    places = np.full((8, 3), 5e3)
    places[:, 2] = np.array([2, 5, 8, 11, 30, 33, 36, 39]) * 1e3
    table(truth / "vessel_nodes.parquet", {**graph, **dict(zip(("z_nm", "y_nm", "x_nm"), places.T, strict=True))})
    ends = {"source": np.repeat(np.array([1, 5], np.uint64), 3), "target": np.array([2, 3, 4, 6, 7, 8], np.uint64)}
    lengths = {"length_nm": np.array([9e3, 9e3, 9e3, 9e3, 9e3, 1e3]), "radius_nm": np.full(6, 2e3)}
    table(truth / "vessels.parquet", {**ends, **lengths})
    one = dict(zip(("z_nm", "y_nm", "x_nm"), places[:1].T, strict=True))
    table(found / "vessel_nodes.parquet", {**one, "degree": np.array([3])})
    scores = CellsScorer().score(truth, results(found))
    assert scores["branch_points"]["recall"] == 0.5
    assert scores["visible_branch_points"]["recall"] == scores["visible_branch_points"]["precision"] == 1
    assert scores["visible_branch_points"]["ignored_truths"] == 1
    part = CellsScorer().score(truth, {"vessel_nodes": results(found, Box((0, 0, 0), (9, 9, 9)))["vessel_nodes"]})
    assert "visible_branch_points" not in part


def test_branch_points_near_faces_may_be_left_out(truth: Path, tmp_path: Path) -> None:
    wide = Box((0, 0, 0), (90, 90, 90))
    found = write(tmp_path / "found")
    places = np.array([[45.0, 45, 45], [45, 45, 5], [20, 20, 20]]) * 1e3
    for folder, rows in ((truth, places[:2]), (found, places[[0, 2]])):
        columns = dict(zip(("z_nm", "y_nm", "x_nm"), rows.T, strict=True))
        table(folder / "vessel_nodes.parquet", {**columns, "degree": np.array([3, 3])})
    result = results(found, wide, domain=wide)["vessel_nodes"]
    scores = CellsScorer().score(truth, {"vessel_nodes": result})
    assert scores["branch_points"]["recall"] == scores["branch_points"]["precision"] == 0.5
    assert scores["inner_branch_points"]["recall"] == 1
    assert scores["inner_branch_points"]["precision"] == 0.5
    assert scores["inner_branch_points"]["ignored_truths"] == 1


def test_branch_points_of_a_section_are_near_its_rim_only(truth: Path) -> None:
    plane = Box((0, 0, 0), (1, 90, 90))
    places = {"z_nm": np.zeros(2), "y_nm": np.array([5e3, 45e3]), "x_nm": np.full(2, 45e3)}
    table(truth / "vessel_nodes.parquet", {**places, "degree": np.array([3, 3])})
    result = results(truth, plane, domain=plane)["vessel_nodes"]
    scores = CellsScorer().score(truth, {"vessel_nodes": result})["inner_branch_points"]
    assert (scores["recall"], scores["ignored_truths"]) == (1, 1)


def test_a_mask_of_a_phantom_needs_no_threshold(truth: Path) -> None:
    spec = voxome.VolumeSpec.of(DOMAIN.shape, "uint8", voxel_size_nm=SIZE_NM, kind="probability")
    voxome.create(f"zarr://{truth}/true.zarr", spec)[:10] = 255
    shutil.rmtree(truth / "vessel_mask.zarr")
    (truth / "true.zarr").rename(truth / "vessel_mask.zarr")
    assert CellsScorer().score(truth, {"vessel_mask": results(truth)["vessel_mask"]})["vessel_mask"]["dice"] == 1


def test_what_is_missing_costs_scores(truth: Path, tmp_path: Path) -> None:
    scores = CellsScorer().score(truth, results(write(tmp_path / "found", missing=1)))
    assert scores["cells"]["recall"] == pytest.approx(2 / 3)
    assert scores["vessel_mask"]["recall"] == pytest.approx(0.8)
    assert scores["vessels"]["length_error"] == pytest.approx(-0.25)
    assert scores["branch_points"]["recall"] == 0.5


def test_only_what_both_sides_have_is_scored(truth: Path) -> None:
    (truth / "vessels.parquet").unlink()
    cells = {"cells": results(truth)["cells"], "vessels": results(truth)["vessels"]}
    assert list(CellsScorer().check(truth, cells)) == []
    assert list(CellsScorer().score(truth, cells)) == ["cells"]
    assert "none of the files" in next(iter(CellsScorer().check(truth, {"density": cells["cells"]})))


def test_a_part_of_the_volume_is_scored_on_that_part(truth: Path, tmp_path: Path) -> None:
    found = results(write(tmp_path / "found", missing=1), Box((0, 0, 0), (20, 10, 40)))
    problems = list(CellsScorer().check(truth, found))
    assert len(problems) == 1
    assert "lengths of the whole volume" in problems[0]
    (truth / "vessels.parquet").unlink()
    assert list(CellsScorer().check(truth, found)) == []
    scores = CellsScorer().score(truth, found)
    assert (scores["cells"]["f1"], scores["branch_points"]["f1"]) == (1, 1)
    assert scores["vessel_mask"]["true_positives"] == 8 * 10 * 40


def test_truth_that_does_not_fit_is_refused(truth: Path) -> None:
    table(truth / "cells.parquet", {"x_nm": [1.0]})
    found = results(truth, offset_nm=(5000.0, 0.0, 0.0))
    problems = list(CellsScorer().check(truth, found))
    assert any("cells.parquet has no column y_nm, z_nm" in one for one in problems)
    assert any("so their indices differ" in one for one in problems)
    part = results(truth, Box((0, 0, 0), (20, 10, 40)), voxel_size_nm=None)
    assert any("set the voxel size" in one for one in CellsScorer().check(truth, part))
