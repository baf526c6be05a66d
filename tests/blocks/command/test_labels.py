"""Labels that foreign programs are given, and those that they write."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.blocks.command.labels import distinct_labels, give_labels, whole_labels
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import unpack

LABELS = np.array([0, 2**53, 2**53 + 1, 7], np.uint64).reshape(1, 2, 2)


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8", "int16"])
def test_labels_are_numbered_where_the_dtype_cannot_hold_them_and_get_their_ids_back(dtype: str) -> None:
    values, given = give_labels(LABELS, np.dtype(dtype), "image")
    assert values.dtype == dtype
    assert sorted(values.ravel().tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(given.restore(whole_labels(values, "out"), "out", "image"), LABELS)


def test_labels_that_fit_keep_their_ids() -> None:
    values, given = give_labels(LABELS.astype(np.uint8), np.dtype("uint16"), "image")
    np.testing.assert_array_equal(values, LABELS.astype(np.uint8))
    np.testing.assert_array_equal(give_labels(LABELS, np.dtype("uint64"), "image")[0], LABELS)
    with pytest.raises(InvalidInput, match="has the label 3, which is not one of those of the input 'image'"):
        given.restore(np.array([3], np.uint64), "out", "image")


def test_more_labels_than_a_dtype_can_tell_apart_are_refused() -> None:
    labels = np.arange(257, dtype=np.uint64).reshape(1, 1, 257)
    with pytest.raises(InvalidInput, match="256 labels in one block, but uint8 can tell only 255 apart"):
        give_labels(labels, np.dtype("uint8"), "image")
    give_labels(labels[..., :256], np.dtype("uint8"), "image")


def test_a_number_that_no_label_has_is_no_label() -> None:
    _, given = give_labels(LABELS, np.dtype("uint8"), "image")
    with pytest.raises(InvalidInput, match="has the label 4"):
        given.restore(np.array([1, 4], np.uint64), "out", "image")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.5]), "no whole numbers"),
        (np.array([np.nan]), "no whole numbers"),
        (np.array([-1.0]), "label -1.0"),
        (np.array([-3], np.int8), "label -3"),
        (np.array([2.0**53]), "cannot tell whole numbers from 9007199254740992 on apart"),
        (np.array([2.0**24], np.float32), "cannot tell whole numbers from 16777216 on apart"),
    ],
)
def test_labels_that_are_not_certain_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        whole_labels(values, "out")


def test_distinct_labels_are_those_of_their_first_voxels_in_the_write_box() -> None:
    domain, read, write = Box.of_shape((4, 4, 8)), Box.parse("0:4,0:4,0:6"), Box.parse("0:4,0:4,2:5")
    labels = np.zeros(read.shape, np.uint64)
    labels[0, 0, :4], labels[1, 1, 4:], labels[2, 2, 0] = 9, 5, 4
    voxels, ranks, ids = distinct_labels(labels, read, write, domain)
    assert voxels.shape == write.shape
    assert unpack(ids[1:], domain).tolist() == [[1, 1, 4], [0, 0, 2]]
    np.testing.assert_array_equal(ids[ranks][write.within(read)], voxels)
    assert ranks[0, 0, 0] == 2
    assert ranks[2, 2, 0] == 0
