from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.models.pixels.marks import LabelMarks
from voxome.resources.volume_like import as_volume


def marks_of(labels: np.ndarray, *, dense: bool) -> LabelMarks:
    return LabelMarks(as_volume(labels), Box.of_shape(labels.shape), {5: 1, 0: 0} if dense else {5: 1, 7: 0}, dense)


@pytest.mark.parametrize(("unlabelled", "dtype"), [(-1, np.int8), (-1, np.int64), (2**64 - 1, np.uint64)])
@pytest.mark.parametrize(("dense", "voxels"), [(True, [0, 1, 3]), (False, [1, 3])])
def test_voxels_that_are_not_labelled_are_no_marks(
    unlabelled: int, dtype: type, dense: bool, voxels: list[int]
) -> None:
    labels: NDArray[Any] = np.array([[[0, 5, unlabelled, 5]]], dtype)
    (found,) = marks_of(labels, dense=dense).read()
    assert found.voxels[:, 2].tolist() == voxels
    assert found.classes.tolist() == [int(labels[0, 0, x] == 5) for x in voxels]


@pytest.mark.parametrize(("value", "dtype"), [(-2, np.int32), (2**63 + 5, np.uint64)])
def test_other_values_are_no_class(value: int, dtype: type) -> None:
    with pytest.raises(InvalidInput, match=f"have the values {value}, which are no class"):
        list(marks_of(np.array([[[5, value]]], dtype), dense=True).read())
