from __future__ import annotations

from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from voxome.errors import InvalidInput
from voxome.metrics.segmentation import contingency, fold_contingency, score_segmentation

LABELS = npst.arrays(np.uint64, st.just((2, 4, 3, 5)), elements=st.integers(0, 4))


@given(LABELS)
def test_contingency_counts_every_pair(pair):
    table = contingency(*pair)
    counted = Counter(zip(pair[0].ravel().tolist(), pair[1].ravel().tolist(), strict=True))
    rows = list(zip(*(column.tolist() for column in table), strict=True))
    assert rows == sorted((t, r, n) for (t, r), n in counted.items())


@given(LABELS, st.integers(0, 4))
def test_tables_of_blocks_fold_to_the_table_of_the_whole(pair, cut):
    parts = [contingency(*pair[:, :cut]), contingency(*pair[:, cut:])]
    for folded in (fold_contingency(*parts), fold_contingency(*parts[::-1])):
        for got, expected in zip(folded, contingency(*pair), strict=True):
            np.testing.assert_array_equal(got, expected)


def brute_force(truth, result):
    known = truth != 0
    truth, result = truth[known].tolist(), result[known].tolist()
    n = len(truth)
    a, b, c = Counter(truth), Counter(result), Counter(zip(truth, result, strict=True))
    split = -sum(k / n * np.log2(k / a[t]) for (t, _), k in c.items())
    merge = -sum(k / n * np.log2(k / b[r]) for (_, r), k in c.items())
    rand = 1 - 2 * sum(k * k for k in c.values()) / sum(k * k for d in (a, b) for k in d.values())
    return split, merge, rand


@given(LABELS)
def test_scores_match_their_definitions(pair):
    if not pair[0].any():
        return
    score = score_segmentation(contingency(*pair))
    got = (score.voi_split, score.voi_merge, score.adapted_rand_error)
    np.testing.assert_allclose(got, brute_force(*pair), atol=1e-12)


def test_result_0_is_one_segment_and_truth_0_is_ignored():
    truth = np.array([0, 0, 1, 1, 2, 2], np.uint64)
    split = score_segmentation(contingency(truth, np.array([5, 6, 7, 0, 8, 8], np.uint64)))
    assert (split.voi_split, split.voi_merge) == pytest.approx((0.5, 0.0))
    merged = score_segmentation(contingency(truth, np.array([5, 6, 0, 0, 0, 0], np.uint64)))
    assert (merged.voi_split, merged.voi_merge) == pytest.approx((0.0, 1.0))


def test_ids_beyond_float_precision_stay_distinct():
    truth = np.array([2**63 - 1, 2**63 - 2], np.uint64)
    assert score_segmentation(contingency(truth, truth)).voi_merge == 0
    assert len(contingency(truth, truth).voxels) == 2


def test_gala_watershed_gives_the_published_anchor(shared: Path):
    arrays = []
    for name in ("gt", "ws"):
        with h5py.File(shared / f"data/gala/train-{name}.lzf.h5") as file:
            arrays.append(file["stack"][...])
    score = score_segmentation(contingency(*arrays))
    assert score.voi_split == pytest.approx(1.335565, abs=1e-6)
    assert score.voi_merge == pytest.approx(0.121189, abs=1e-6)
    assert score.adapted_rand_error == pytest.approx(0.249631, abs=1e-6)


def test_invalid_input_is_refused():
    with pytest.raises(InvalidInput, match=r"\(2,\).*\(3,\)"):
        contingency(np.zeros(2, np.uint64), np.zeros(3, np.uint64))
    for n in (0, 3):
        with pytest.raises(InvalidInput, match="All true labels are 0"):
            score_segmentation(contingency(np.zeros(n, np.uint64), np.ones(n, np.uint64)))
