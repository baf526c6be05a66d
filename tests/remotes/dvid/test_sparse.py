"""Runs compared with masks, and with responses of a real server."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from remotes.dvid.recorded import response_body

from voxome.errors import CorruptData, InvalidInput
from voxome.geometry import Box
from voxome.geometry.runs import Runs
from voxome.remotes.dvid.sparse import decode_coarse, decode_rles, encode_rles

pytestmark = pytest.mark.slow

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7))
starts = st.tuples(*[st.integers(-9, 9)] * 3)


@given(masks, starts)
def test_masks_survive_a_round_trip(mask, start):
    runs = Runs.from_mask(mask, start)
    box = Box.of_shape(mask.shape, start)
    assert np.array_equal(runs.mask(box), mask)
    assert runs.count == mask.sum()
    assert np.array_equal(runs.points(), np.argwhere(mask) + start)
    assert decode_rles(encode_rles(runs), "runs") == runs
    if mask.any():
        assert np.array_equal(runs.mask(), mask[runs.box.within(box)])


@pytest.mark.slow
@given(masks, starts, st.randoms(use_true_random=False))
def test_runs_do_not_depend_on_order_or_cuts(mask, start, random):
    runs = Runs.from_mask(mask, start)
    voxels = runs.points()[:, [0, 1, 2, 2]] + [0, 0, 0, 1]
    rows = [*voxels.tolist(), *runs.table.tolist()]
    random.shuffle(rows)
    assert Runs.from_table(rows) == runs


@given(st.data())
def test_difference_and_clipping_agree_with_masks(data):
    mask, start = data.draw(masks), data.draw(starts)
    other = data.draw(hnp.arrays(bool, mask.shape))
    box = Box.of_shape(mask.shape, start)
    runs = Runs.from_mask(mask, start)
    assert np.array_equal(runs.difference(Runs.from_mask(other, start)).mask(box), mask & ~other)
    part = Box.of_shape(data.draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)), data.draw(starts))
    expected = np.zeros(part.shape, bool)
    both = part & box
    if not both.empty:
        expected[both.within(part)] = mask[both.within(box)]
    assert np.array_equal(runs.mask(part), expected)


def test_invalid_tables_are_refused():
    with pytest.raises(InvalidInput, match=r"\[1, 2, 5, 5\] \(row 1\) is empty"):
        Runs.from_table([[0, 0, 0, 1], [1, 2, 5, 5]])
    with pytest.raises(InvalidInput, match="four integers"):
        Runs.from_table([[1, 2, 3]])
    with pytest.raises(InvalidInput, match="four integers"):
        Runs.from_table([[0.5, 0, 0, 1]])
    with pytest.raises(InvalidInput, match="32-bit"):
        encode_rles(Runs.from_table([[0, 0, 0, 2**33]]))


def test_recorded_runs_agree_with_the_labels(recorded):
    labels = np.frombuffer(response_body(recorded, "segmentation/raw/0_1_2/128_128_64/0_0_0"), "<u8").reshape(
        64, 128, 128
    )
    runs = decode_rles(response_body(recorded, "/sparsevol/1115"), "sparsevol")
    assert np.array_equal(runs.mask(Box.of_shape(labels.shape)), labels == 1115)
    blocks = decode_rles(response_body(recorded, "/sparsevol-coarse/1115"), "coarse")
    assert blocks.points().tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
    coarse = dict(decode_coarse(response_body(recorded, "/sparsevols-coarse/1001/1005"), "coarse"))
    for label, found in coarse.items():
        blocks = np.unique(np.argwhere(labels == label) // 64, axis=0)
        assert np.array_equal(found.points(), blocks)


def test_truncated_responses_are_refused(recorded):
    data = response_body(recorded, "/sparsevol/1115")
    for wrong in (data[:-1], data[:40], data[:7], data + b"0"):
        with pytest.raises(CorruptData, match="the runs: "):
            decode_rles(wrong, "the runs")
    with pytest.raises(CorruptData, match="axis 2 of 4"):
        decode_rles(b"\0\4\2" + data[3:], "the runs")
    data = response_body(recorded, "/sparsevols-coarse/1001/1005")
    for wrong in (data[:-1], data[:5]):
        with pytest.raises(CorruptData):
            list(decode_coarse(wrong, "the runs"))
