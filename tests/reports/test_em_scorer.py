"""The scorer of the EM pipeline: checks before a run, and scores after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.contracts.frame import Frame
from voxome.contracts.report import Result
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.reports.em_scorer import ConnectomeScorer
from voxome.resources.table import write_table

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


EDGE = {"pre_id": "uint64", "post_id": "uint64", "directed": "bool"}
SYNAPSE = {"z_nm": "float64", "y_nm": "float64", "x_nm": "float64", **EDGE}
PART = Box((2, 0, 0), (4, 5, 6))


def synapses(*rows: tuple[float, int, int]) -> dict[str, np.ndarray]:
    """Return synapses at positions (z in nm), with their partners."""
    z, pre, post = np.array(rows, float).T
    return {"z_nm": z, "y_nm": z * 0, "x_nm": z * 0, "pre_id": pre, "post_id": post, "directed": pre > 0}


def part_of(folder: Path, found: dict[str, np.ndarray], frame: Frame) -> dict[str, Result]:
    """Write truth and results with the same labels; return results of `frame`, with the synapses `found`."""
    spec = voxome.VolumeSpec.of(DOMAIN.shape, "uint64", voxel_size_nm=(10, 10, 10), offset_nm=(1000, 0, 0))
    for name in ("labels", "neurons"):
        voxome.create(f"zarr://{folder}/{name}.zarr", spec)[...] = np.arange(120).reshape(DOMAIN.shape) % 5 + 1
    write_table(folder / "found.parquet", found, SYNAPSE)
    table = Result("table", str(folder / "found.parquet"), frame)
    neurons = Result("volume", f"zarr://{folder}/neurons.zarr", frame)
    return {"neurons": neurons, "synapses": table, "connectome": table}


@pytest.mark.parametrize("domain", [DOMAIN, PART])
def test_a_part_is_compared_with_the_true_synapses_whose_centres_lie_in_it(tmp_path: Path, domain: Box) -> None:
    truth = synapses((1000, 1, 2), (1014.9, 2, 3), (1015, 3, 4), (1034.9, 4, 5), (1035, 5, 1))
    found = {name: values[2:4] for name, values in truth.items()}
    results = part_of(tmp_path, found, Frame(domain, PART, (10.0, 10.0, 10.0), (1000.0, 0.0, 0.0)))
    write_table(tmp_path / "synapses.parquet", truth, SYNAPSE)
    write_table(tmp_path / "connectome.parquet", {name: truth[name] for name in EDGE}, EDGE)
    assert list(ConnectomeScorer().check(tmp_path, results)) == []
    scores = ConnectomeScorer().score(tmp_path, results)
    for group in ("synapses", "graph"):
        assert [scores[group][count] for count in ("true_positives", "false_positives", "false_negatives")] == [2, 0, 0]


def test_truth_that_cannot_be_restricted_to_a_part_is_refused(tmp_path: Path) -> None:
    rows = synapses((1020, 1, 2))
    results = part_of(tmp_path, rows, Frame(DOMAIN, PART, (10.0, 10.0, 10.0), (1000.0, 0.0, 0.0)))
    write_table(tmp_path / "connectome.parquet", {name: rows[name] for name in EDGE}, EDGE)
    (problem,) = ConnectomeScorer().check(tmp_path, results)
    assert "connectome.parquet has no positions: give" in problem
    positions = {name: rows[name] for name in SYNAPSE if name not in EDGE}
    write_table(tmp_path / "synapses.parquet", positions, dict.fromkeys(positions, "float64"))
    (problem,) = ConnectomeScorer().check(tmp_path, results)
    assert "has no column directed, post_id, pre_id" in problem
    write_table(tmp_path / "synapses.parquet", {**rows, "z_nm": np.array([np.nan])}, SYNAPSE)
    assert list(ConnectomeScorer().check(tmp_path, results)) == []
    with pytest.raises(InvalidInput, match="rows without a position"):
        ConnectomeScorer().score(tmp_path, results)
