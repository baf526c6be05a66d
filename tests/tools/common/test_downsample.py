"""Levels of a pyramid, compared with numpy for any position of the block."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.downsample import downsample


def _block(box: Box) -> BlockContext:
    return BlockContext(box, box, Frame(box, box, None, (0.0, 0.0, 0.0)))


@pytest.mark.slow
@pytest.mark.parametrize("start", [(0, 0, 0), (1, 2, -3)])
def test_every_voxel_is_the_mean_of_those_that_it_covers(start: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).random((5, 6, 7))
    box = Box.of_shape(image.shape, start)
    result = downsample(image, method="mean", block=_block(box))
    indices = [np.arange(a, b) // 2 - a // 2 for a, b in zip(box.start, box.stop, strict=True)]
    total = np.zeros([int(i.max()) + 1 for i in indices])
    count = np.zeros_like(total)
    np.add.at(total, np.ix_(*indices), image)
    np.add.at(count, np.ix_(*indices), 1)
    assert np.allclose(result, total / count)


def test_an_axis_can_be_kept() -> None:
    image = np.random.default_rng(1).random((3, 4, 5))
    result = downsample(image, method="mean", factors="1,2,1", block=_block(Box.of_shape(image.shape)))
    assert np.allclose(result, image.reshape(3, 2, 2, 5).mean(axis=2))


def test_the_result_has_the_coarser_voxel_size() -> None:
    frame = Frame(Box.of_shape((4, 6, 8)), Box.of_shape((4, 6, 8)), (40.0, 4.0, 4.0), (0.0, 8.0, 0.0))
    kind = downsample.spec.outputs["result"]
    spec = kind.output_spec(frame, (4, 6, 8), {"method": "mean", "factors": "1,2,2"})
    assert spec is not None
    assert spec.domain == Box.of_shape((4, 3, 4))
    assert (spec.voxel_size_nm, spec.offset_nm) == ((40.0, 8.0, 8.0), (0.0, 10.0, 2.0))
    strided = kind.output_spec(frame, (4, 6, 8), {"method": "stride", "factors": "1,2,2"})
    assert (strided.voxel_size_nm, strided.offset_nm) == ((40.0, 8.0, 8.0), (0.0, 8.0, 0.0))


@pytest.mark.parametrize("factors", ["2,2", "0,2,2", "2;2;2", ""])
def test_other_factors_are_refused(factors: str) -> None:
    with pytest.raises(InvalidInput, match="expected Z,Y,X, each at least 1"):
        downsample(np.zeros((4, 4, 4)), factors=factors, block=_block(Box.of_shape((4, 4, 4))))


def test_labels_keep_the_most_frequent_id() -> None:
    labels = np.array([[[7, 7, 2], [7, 3, 2]]], np.uint64)
    assert downsample(labels, method="mode", block=_block(Box.of_shape(labels.shape))).tolist() == [[[7, 2]]]
