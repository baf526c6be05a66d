"""Scores of volumes and tables on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, NotFound
from voxome.metrics.instances import score_instances
from voxome.metrics.mask import count_mask, score_mask
from voxome.metrics.segmentation import contingency, score_segmentation
from voxome.reports import comparison, score
from voxome.resources.table import write_table

SHAPE = (12, 10, 14)
RNG = np.random.default_rng(5)
TRUTH = RNG.integers(0, 6, SHAPE).astype(np.uint64)
RESULT = np.where(RNG.random(SHAPE) < 0.8, TRUTH + 3, RNG.integers(0, 9, SHAPE).astype(np.uint64))


@pytest.fixture
def uris(tmp_path: Path) -> tuple[str, str]:
    made = []
    for name, labels in {"truth": TRUTH, "result": RESULT}.items():
        made.append(f"zarr://{tmp_path}/{name}.zarr")
        voxome.create(made[-1], voxome.VolumeSpec.of(SHAPE, "uint64", kind="labels"))[...] = labels
    return made[0], made[1]


def _points(path: Path, rows: list[tuple[float, float, float]]) -> Path:
    columns = dict(zip(("z_nm", "y_nm", "x_nm"), np.array(rows).T, strict=True))
    write_table(path, columns, dict.fromkeys(columns, "float64"))
    return path


def test_the_score_does_not_depend_on_blocks(uris: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = score_segmentation(contingency(TRUTH, RESULT))
    assert score.segmentation(*uris) == expected
    monkeypatch.setattr(comparison, "BLOCK", (5, 4, 3))
    assert score.segmentation(*uris) == expected


def test_a_box_is_in_the_coordinates_of_the_store(uris: tuple[str, str]) -> None:
    box = voxome.Box.parse("2:9,0:10,3:11")
    inside = (slice(2, 9), slice(0, 10), slice(3, 11))
    expected = score_segmentation(contingency(TRUTH[inside], RESULT[inside]))
    assert score.segmentation(*uris, box) == expected


def test_volumes_that_do_not_match_are_refused(uris: tuple[str, str], tmp_path: Path) -> None:
    small, grey = (f"zarr://{tmp_path}/{name}.zarr" for name in ("small", "grey"))
    voxome.create(small, voxome.VolumeSpec.of((4, 5, 6), "uint64"))[...] = 1
    voxome.create(grey, voxome.VolumeSpec.of(SHAPE, "float32"))
    with pytest.raises(InvalidInput, match=r"give the box to compare with box= \(--box\)"):
        score.segmentation(uris[0], small)
    with pytest.raises(InvalidInput, match="not inside"):
        score.segmentation(uris[0], small, voxome.Box.parse("0:5,0:5,0:5"))
    with pytest.raises(InvalidInput, match="expected integer labels"):
        score.segmentation(uris[0], grey)
    assert score.segmentation(uris[0], small, voxome.Box.parse("0:4,0:5,0:6")).voi_split == 0


def placed(path: Path, labels: np.ndarray, **place: Any) -> str:
    place = {"voxel_size_nm": (40, 4, 4), "kind": "labels", **place}
    voxome.create(f"zarr://{path}", voxome.VolumeSpec.of(labels.shape, "uint64", **place))[...] = labels
    return str(path)


def test_volumes_with_known_voxel_sizes_are_compared_where_they_overlap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    truth = placed(tmp_path / "truth.zarr", TRUTH)
    inside = (slice(2, 9), slice(0, 10), slice(3, 11))
    result = placed(tmp_path / "result.zarr", RESULT[inside], start=(2, 0, 3))
    expected = score_segmentation(contingency(TRUTH[inside], RESULT[inside]))
    assert score.segmentation(truth, truth).voi_split == 0
    assert not caplog.records
    assert score.segmentation(truth, result) == expected
    assert f"{100 * TRUTH[inside].size / TRUTH.size:.0f} % of the truth" in caplog.text
    moved = placed(tmp_path / "moved.zarr", RESULT[inside], offset_nm=(80, 0, 12))
    assert score.segmentation(truth, f"{moved}?start=2,0,3") == expected


def test_volumes_at_other_places_are_refused_with_what_helps(tmp_path: Path) -> None:
    truth = placed(tmp_path / "truth.zarr", TRUTH)
    with pytest.raises(InvalidInput, match=r"so their indices differ: .* add \?start=2,0,3"):
        score.segmentation(truth, placed(tmp_path / "moved.zarr", RESULT, offset_nm=(80, 0, 12)))
    with pytest.raises(InvalidInput, match="the result has voxels of 50,4,4 nm, but the truth of 40,4,4 nm"):
        score.segmentation(truth, placed(tmp_path / "coarse.zarr", RESULT, voxel_size_nm=(50, 4, 4)))


@pytest.mark.parametrize(("dtype", "unlabelled"), [("uint64", 2**64 - 1), ("int64", -1), ("int32", -1), ("uint8", 0)])
def test_truth_that_is_not_labelled_is_left_out(dtype: str, unlabelled: int) -> None:
    objects = np.repeat(np.arange(1, 5), 20).reshape(4, 4, 5)
    truth, result = objects.astype(dtype), objects.copy()
    truth[:, 0], result[:, 0] = unlabelled, np.arange(20).reshape(4, 5) + 100
    found = score.segmentation(truth.astype(np.uint64) if dtype == "uint8" else truth, result)
    assert (found.voi_split, found.voi_merge, found.adapted_rand_error) == (0, 0, 0)


def test_the_background_is_counted_on_request() -> None:
    truth, result = np.zeros((2, 2, 2), np.uint64), np.arange(8, dtype=np.uint64).reshape(2, 2, 2)
    truth[0] = 1
    assert score.segmentation(truth, result).voi_split == pytest.approx(2)
    assert score.segmentation(truth, result % 4, count_background=True).voi_merge == pytest.approx(1)
    with pytest.raises(InvalidInput, match="not labelled"):
        score.segmentation(np.zeros_like(truth), result)
    assert score.segmentation(np.zeros_like(truth), result, count_background=True).voi_split == pytest.approx(3)


def test_points_are_matched_within_the_tolerance(tmp_path: Path) -> None:
    truth = _points(tmp_path / "truth.parquet", [(0, 0, 0), (100, 0, 0)])
    result = _points(tmp_path / "result.parquet", [(0, 0, 40), (500, 0, 0), (900, 0, 0)])
    found = score.detections(truth, result, 50)
    assert (found.true_positives, found.false_positives, found.false_negatives) == (1, 2, 1)
    with pytest.raises(InvalidInput, match="greater than 0"):
        score.detections(truth, result, 0)


def test_tables_without_positions_or_columns_are_refused(tmp_path: Path) -> None:
    truth = _points(tmp_path / "truth.parquet", [(0, 0, 0)])
    empty = _points(tmp_path / "empty.parquet", [(np.nan, 0, 0)])
    with pytest.raises(InvalidInput, match="--voxel-size"):
        score.detections(truth, empty, 50)
    with pytest.raises(NotFound):
        score.detections(truth, tmp_path / "none.parquet", 50)
    with pytest.raises(InvalidInput, match="no column pre_id, post_id, directed"):
        score.graph(truth, truth, "", "")


def test_graphs_are_compared_by_matched_neurons(tmp_path: Path, uris: tuple[str, str]) -> None:
    columns = {"pre_id": "uint64", "post_id": "uint64", "directed": "bool"}
    edges = {"pre_id": np.array([1, 2]), "post_id": np.array([2, 4]), "directed": np.array([True, True])}
    other = {"pre_id": np.array([4, 7]), "post_id": np.array([5, 5]), "directed": np.array([True, True])}
    for name, rows in {"truth": edges, "result": other}.items():
        write_table(tmp_path / f"{name}.parquet", rows, columns)
    found = score.graph(tmp_path / "truth.parquet", tmp_path / "result.parquet", *uris)
    assert (found.true_positives, found.false_positives, found.false_negatives) == (1, 1, 1)


def test_masks_are_compared_block_by_block(uris: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = score_mask(count_mask(TRUTH > 0, RESULT > 3), beta=2)
    assert score.mask(*uris, threshold=3, beta=2) == expected
    monkeypatch.setattr(comparison, "BLOCK", (5, 4, 3))
    assert score.mask(*uris, threshold=3, beta=2) == expected
    inside = (slice(2, 9), slice(0, 10), slice(3, 11))
    assert score.mask(*uris, "2:9,:,3:11") == score_mask(count_mask(TRUTH[inside] > 0, RESULT[inside] > 0))


@pytest.mark.parametrize(("dtype", "unlabelled"), [("int8", -1), ("int64", -1), ("uint64", 2**64 - 1)])
def test_voxels_that_are_not_labelled_are_in_no_mask(dtype: str, unlabelled: int) -> None:
    truth = np.zeros((2, 2, 2), dtype)
    truth[0], truth[1, 0] = 1, unlabelled
    found = score.mask(truth, np.ones((2, 2, 2), bool))
    assert (found.true_positives, found.false_positives, found.true_negatives) == (4, 2, 0)


def test_probabilities_need_a_threshold(tmp_path: Path) -> None:
    truth = np.ones((2, 2, 2), bool)
    with pytest.raises(InvalidInput, match=r"give the value above .* threshold= \(--threshold\)"):
        score.mask(truth, np.full(truth.shape, 0.9, np.float32))
    with pytest.raises(InvalidInput, match="--truth-threshold"):
        score.mask(np.full(truth.shape, 0.9), truth)
    uri = f"zarr://{tmp_path}/p.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(truth.shape, "uint8", kind="probability"))[...] = 100
    with pytest.raises(InvalidInput, match="probability data of uint8"):
        score.mask(truth, uri)
    assert score.mask(truth, uri, threshold=100).dice == 0
    assert score.mask(truth, uri, threshold=99).dice == 1
    with pytest.raises(InvalidInput, match="NaN"):
        score.mask(truth, np.full(truth.shape, np.nan), threshold=0.5)
    with pytest.raises(InvalidInput, match="beta"):
        score.mask(truth, truth, beta=0)
    with pytest.raises(InvalidInput, match="one channel"):
        score.mask(truth, np.ones((1, 2, 2, 2), bool))


def test_the_threshold_of_a_probability_of_integers_is_no_fraction(tmp_path: Path) -> None:
    truth = np.array([[[0, 1, 1, 0]]], np.uint8)
    uri = f"zarr://{tmp_path}/probability.zarr"
    voxome.create(uri, voxome.VolumeSpec.of((1, 1, 4), "uint8", kind="probability"))[...] = truth * 200 + 3
    with pytest.raises(InvalidInput, match=r"threshold is 0\.5, but .* 255 is certain: set threshold to 127"):
        score.mask(truth, uri, threshold=0.5)
    assert score.mask(truth, uri, threshold=127).dice == 1


def test_instances_are_scored_by_their_overlap(uris: tuple[str, str]) -> None:
    assert score.instances(*uris, thresholds=[0.5, 1]) == score_instances(contingency(TRUTH, RESULT), [0.5, 1])
    assert score.instances(uris[0], uris[0]).average_precision == 1


CELLS: dict[str, Any] = {"z_nm": [5e3, 25e3, 25e3], "y_nm": [25e3] * 3, "x_nm": [25e3, 25e3, 40e3]}


def test_a_mask_beside_labels_is_named(caplog: pytest.LogCaptureFixture) -> None:
    labels = np.arange(12, dtype=np.uint64).reshape(3, 4, 1)
    mask = (labels > 0).astype(np.uint64)
    score.instances(labels, labels)
    score.instances(mask, mask)
    assert not caplog.records
    score.instances(mask, labels)
    score.instances(labels, mask)
    assert ["The truth has a single label" in caplog.messages[0], "The result has" in caplog.messages[1]] == [True] * 2
    assert len(caplog.messages) == 2


def changed(**columns: list[float]) -> dict[str, Any]:
    return {**CELLS, **columns}


def test_cells_are_scored_in_micrometres() -> None:
    truth = changed(radius_nm=[4e3] * 3)
    found = score.cells(truth, changed(x_nm=[25e3, 31.5e3, 40e3], radius_nm=[4e3, 5e3, 3e3]))
    assert (found.f1, found.radius_error, found.density_error) == (1, 0, 0)
    assert found.radius_error_absolute == pytest.approx(1 / 6)
    assert found.distance_um == pytest.approx(6.5 / 3)
    assert score.cells(truth, CELLS).radius_error is None
    assert score.cells(truth, CELLS, 0).f1 == 1
    assert score.cells(truth, changed(x_nm=[25e3, 25e3, 40001.0]), 0).true_positives == 2
    assert score.cells(truth, changed(x_nm=[25e3, 31.6e3, 40e3])).true_positives == 2


def test_cells_near_faces_are_left_out_on_request(tmp_path: Path) -> None:
    volume = voxome.create(
        f"zarr://{tmp_path}/raw.zarr", voxome.VolumeSpec.of((50, 50, 50), "uint8", voxel_size_nm=(1000, 1000, 1000))
    )
    none: dict[str, Any] = {name: [] for name in CELLS}
    found = score.cells(CELLS, none, border="ignore", volume=volume)
    assert (found.false_negatives, found.ignored_truths) == (2, 1)
    found = score.cells(none, CELLS, border="ignore", volume=volume, box=":,:,:46")
    assert (found.false_positives, found.ignored_results) == (1, 2)
    for options, message in (
        ({"border": "ignore"}, "--volume"),
        ({"volume": volume}, "--border ignore"),
        ({"border": "ignore", "volume": np.zeros((9, 9, 9))}, "voxel size of the array is unknown"),
        ({"border": "ignore", "volume": volume, "box": ":,:,:9"}, "3 cells are farther than"),
        ({"border": "crop"}, "'count' or 'ignore'"),
        ({"tolerance_um": -1}, "must be 0 or more"),
        ({"tolerance_um": np.inf}, "tolerance_um"),
    ):
        with pytest.raises(InvalidInput, match=message):
            score.cells(CELLS, CELLS, **options)


LINE = {"z": np.array([3, 3, 4]), "y": np.array([5, 5, 5]), "x": np.array([2, 3, 4])}


def lengths(*values: float) -> dict[str, np.ndarray]:
    return {"length_nm": np.array(values)}


def test_vessels_are_compared_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, result = np.zeros((2, *SHAPE), np.uint8)
    truth[3:5, 4:7, 2:5] = result[3:5, 4:6, 2:4] = 1
    line = {name: values[:2] for name, values in LINE.items()}
    branches = {"truth_branches": lengths(2e3, 3e3), "result_branches": lengths(4e3)}
    found = score.vessels(truth, result, LINE, line, **branches)
    assert (found.topology_precision, found.topology_sensitivity) == (1, pytest.approx(2 / 3))
    assert found.length_error == pytest.approx(-0.2)
    monkeypatch.setattr(comparison, "BLOCK", (2, 4, 3))
    assert score.vessels(truth, result, LINE, line, **branches) == found
    assert score.vessels(truth, result, LINE, line, ":4,:,:").cl_dice == 1


def test_vessels_need_whole_lines_and_both_lengths() -> None:
    mask: Any = np.zeros(SHAPE, np.uint8)
    mask[3:5, 5, 2:5] = 1
    with pytest.raises(InvalidInput, match="no centre line"):
        score.vessels(mask, mask, LINE, {name: values[:0] for name, values in LINE.items()})
    with pytest.raises(InvalidInput, match="or neither"):
        score.vessels(mask, mask, LINE, LINE, truth_branches=lengths(1))
    with pytest.raises(InvalidInput, match="whole numbers"):
        score.vessels(mask, mask, LINE, {name: values + 0.5 for name, values in LINE.items()})
    with pytest.raises(InvalidInput, match="length_nm of a branch"):
        score.vessels(mask, mask, LINE, LINE, truth_branches=lengths(-1), result_branches=lengths(1))


def test_annotations_that_are_drawn_are_points_and_cells(tmp_path: Path) -> None:
    rows = [(0.0, 0.0, 0.0), (500.0, 0.0, 0.0), (900.0, 8.0, 8.0)]
    found = voxome.Annotations("point", np.arange(1, 4, dtype="uint64"), np.array(rows)[:, None])
    voxome.create_annotations(f"precomputed://{tmp_path}/point", found, voxel_size_nm=(1, 1, 1))
    drawn, table = f"precomputed://{tmp_path}/point", _points(tmp_path / "a.parquet", [*rows[:2], (5000.0, 0.0, 0.0)])
    assert score.detections(drawn, table, 50) == score.detections(_points(tmp_path / "b.parquet", rows), table, 50)
    assert score.cells(drawn, drawn).f1 == 1
    lines = voxome.Annotations("line", np.array([1], "uint64"), np.zeros((1, 2, 3)))
    voxome.create_annotations(f"precomputed://{tmp_path}/line", lines, voxel_size_nm=(1, 1, 1))
    with pytest.raises(InvalidInput, match="expected points"):
        score.detections(f"precomputed://{tmp_path}/line", table, 50)
