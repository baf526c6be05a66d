from __future__ import annotations

import numpy as np
import pytest

from voxome.errors import InvalidInput
from voxome.metrics.cells import Cells, Faces, score_cells

FACES = Faces((0, 0, 0), (100_000, 100_000, 100_000))


def cells(*rows_um, radius_um=None):
    position = np.array(rows_um, float).reshape(-1, 3) * 1000
    return Cells(position, None if radius_um is None else np.array(radius_um, float) * 1000)


def counts(score):
    return score.true_positives, score.false_positives, score.false_negatives


THREE = cells((20, 20, 20), (50, 50, 50), (80, 20, 50))


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("border", ["count", "ignore"])
def test_perfect_results_score_1(number, border):
    one = Cells(THREE.position_nm[:number])
    score = score_cells(one, one, 6.5, border=border, faces=FACES)
    assert (score.precision, score.recall, score.f1, score.f1_low, score.f1_high) == (1, 1, 1, 1, 1)
    assert counts(score) == (number, 0, 0)
    assert (score.distance_um, score.density_error, score.radius_error) == (0, 0, None)


def test_without_cells_the_score_is_1_and_errors_are_unknown():
    score = score_cells(cells(), cells(), 6.5)
    assert (score.f1, score.distance_um, score.density_error) == (1, None, None)
    assert score_cells(cells(), THREE, 6.5).precision == 0
    assert score_cells(THREE, cells(), 6.5).density_error == -1


def test_swapped_arguments_swap_precision_and_recall():
    result = Cells(np.concatenate([THREE.position_nm, [[1e4, 9e4, 9e4]]]))
    right, swapped = score_cells(THREE, result, 6.5), score_cells(result, THREE, 6.5)
    assert (right.precision, right.recall) == (0.75, 1) == (swapped.recall, swapped.precision)
    assert right.density_error == pytest.approx(1 / 3)
    assert swapped.density_error == -0.25


def test_ten_voxels_of_650_nm_are_within_6500_nm():
    size = float(np.float32(0.65))
    index = np.array([[30, 40, 50]])
    assert score_cells(Cells(index * 650.0), Cells((index + np.array([0, 10, 0])) * size * 1000), 6.5).f1 == 1
    assert score_cells(Cells(index * 650.0), Cells((index + np.array([1, 10, 0])) * size * 1000), 6.5).f1 == 0


def test_sizes_are_compared_over_the_pairs():
    truth, result = THREE._replace(radius_nm=np.array([4e3, 5e3, 6e3])), THREE._replace(radius_nm=np.full(3, 5e3))
    score = score_cells(truth, result, 1)
    assert score.radius_error == pytest.approx((0.25 + 0 - 1 / 6) / 3)
    assert score.radius_error_absolute == pytest.approx((0.25 + 0 + 1 / 6) / 3)


def test_cells_near_a_face_count_or_not_as_declared():
    at_face = cells((6.5, 50, 50), (50, 93.5, 50), (50, 50, 6.6))
    for truth, result, counted, ignored in (
        (at_face, cells(), (0, 0, 3), (0, 0, 1)),
        (cells(), at_face, (0, 3, 0), (0, 1, 0)),
        (at_face, at_face, (3, 0, 0), (1, 0, 0)),
    ):
        assert counts(score_cells(truth, result, 6.5)) == counted
        assert counts(score_cells(truth, result, 6.5, border="ignore", faces=FACES)) == ignored


def test_cells_inside_keep_their_partners_from_those_near_a_face():
    truth, result = cells((6, 50, 50), (8, 50, 50)), cells((6.2, 50, 50))
    score = score_cells(truth, result, 6.5, border="ignore", faces=FACES)
    assert (*counts(score), score.ignored_truths) == (1, 0, 0, 1)


def test_a_detection_inside_of_a_cell_near_a_face_is_no_error():
    score = score_cells(cells((6, 50, 50)), cells((9, 50, 50)), 6.5, border="ignore", faces=FACES)
    assert (*counts(score), score.ignored_truths, score.ignored_results) == (0, 0, 0, 1, 1)


def test_rows_in_any_order_score_the_same():
    rng = np.random.default_rng(1)
    truth, result = (Cells(rng.uniform(0, 1e5, (60, 3)), rng.uniform(3e3, 6e3, 60)) for _ in range(2))
    order = rng.permutation(60)
    shuffled = Cells(*(column[order] for column in result))
    for border in ("count", "ignore"):
        one, other = (score_cells(truth, r, 12, border=border, faces=FACES) for r in (result, shuffled))
        assert counts(one) == counts(other)
        assert one.distance_um == pytest.approx(other.distance_um)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"border": "crop"}, "'count' or 'ignore'"),
        ({"border": "ignore"}, "needs the box"),
        ({"border": "ignore", "faces": Faces((0, 0, 0), (100, 100, 100))}, "3 cells are farther than the tolerance"),
        ({"border": "ignore", "faces": Faces((9, 9, 9), (0, 0, 0))}, "reversed"),
        ({"tolerance_um": -1}, "tolerance_nm"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        score_cells(THREE, THREE, **{"tolerance_um": 6.5, **options})


def test_wrong_cells_are_refused():
    for wrong, message in (
        (Cells(np.zeros((2, 2))), "the truth have shape"),
        (Cells(np.full((1, 3), np.nan)), "finite"),
        (THREE._replace(radius_nm=np.array([1.0, 0, 1])), "greater than 0"),
        (THREE._replace(radius_nm=np.ones(2)), "expected as many"),
    ):
        with pytest.raises(InvalidInput, match=message):
            score_cells(wrong, THREE, 1)
