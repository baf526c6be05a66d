"""The scorer of the EM pipeline: checks before a run, and scores after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.contracts.frame import Frame
from voxome.contracts.report import Result
from voxome.geometry import Box
from voxome.reports.em_scorer import ConnectomeScorer

DOMAIN = Box((0, 0, 0), (4, 5, 6))


def neurons(folder: Path, domain: Box = DOMAIN, box: Box = DOMAIN) -> dict[str, Result]:
    frame = Frame(domain, box, (8.0, 8.0, 8.0), (0.0, 0.0, 0.0))
    return {"neurons": Result("volume", f"zarr://{folder}/neurons.zarr", frame)}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    for name in ("labels", "neurons"):
        volume = voxome.create(f"zarr://{tmp_path}/{name}.zarr", voxome.VolumeSpec.of(DOMAIN.shape, "uint64"))
        volume[...] = np.arange(120).reshape(DOMAIN.shape) // 40 + 1
    return tmp_path


def test_labels_of_the_same_voxels_are_scored(truth: Path) -> None:
    scorer, results = ConnectomeScorer(), neurons(truth)
    assert list(scorer.check(truth, results)) == []
    scores = scorer.score(truth, results)
    assert list(scores) == ["segmentation"]
    assert scores["segmentation"]["adapted_rand_error"] == 0


def test_a_part_of_the_volume_is_scored_on_that_part(truth: Path) -> None:
    part = Box((0, 0, 0), (2, 5, 6))
    voxome.open(f"zarr://{truth}/neurons.zarr", mode="r+")[2:] = 7
    results = neurons(truth, box=part)
    assert list(ConnectomeScorer().check(truth, results)) == []
    assert ConnectomeScorer().score(truth, results)["segmentation"]["voi_merge"] == 0


def test_truth_of_more_voxels_is_compared_where_the_run_is_if_voxel_sizes_are_known(tmp_path: Path) -> None:
    part = Box((1, 0, 0), (3, 5, 6))
    for name, box in (("labels", DOMAIN), ("neurons", part)):
        spec = voxome.VolumeSpec(box, np.dtype("uint64"), voxel_size_nm=(10, 10, 10))
        voxome.create(f"zarr://{tmp_path}/{name}.zarr", spec)[...] = 3
    frame = Frame(part, part, (10.0, 10.0, 10.0), (0.0, 0.0, 0.0))
    results = {"neurons": Result("volume", f"zarr://{tmp_path}/neurons.zarr", frame)}
    assert list(ConnectomeScorer().check(tmp_path, results)) == []
    assert ConnectomeScorer().score(tmp_path, results)["segmentation"]["voi_split"] == 0
    moved = {"neurons": Result("volume", "", Frame(part, part, (10.0, 10.0, 10.0), (500.0, 0.0, 0.0)))}
    assert "so their indices differ" in next(iter(ConnectomeScorer().check(tmp_path, moved)))


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        ({}, "no output 'neurons'"),
        (neurons(Path("x"), Box((0, 0, 0), (9, 9, 9)), Box((0, 0, 0), (9, 9, 9))), "but the run 0:9,0:9,0:9"),
        (neurons(Path("x"), Box((0, 0, 0), (9, 9, 9)), Box((0, 0, 0), (2, 2, 9))), "but the run 0:2,0:2,0:9"),
    ],
)
def test_other_voxels_are_refused(truth: Path, results: dict[str, Result], problem: str) -> None:
    (found,) = ConnectomeScorer().check(truth, results)
    assert problem in found


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    (found,) = ConnectomeScorer().check(tmp_path, neurons(tmp_path))
    assert found == f"{tmp_path / 'labels.zarr'} does not exist: --truth names a folder with labels.zarr"
