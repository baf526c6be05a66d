"""Levels of a pyramid against numpy, wherever the block lies."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.contracts.tool import Block, Frame
from voxome.geometry import Box
from voxome.tools.common.downsample import downsample


def _block(box: Box) -> Block:
    return Block(box, box, Frame(box, box, None, (0.0, 0.0, 0.0)))


@pytest.mark.parametrize("start", [(0, 0, 0), (1, 2, -3)])
def test_every_voxel_is_the_mean_of_those_that_it_spans(start: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).random((5, 6, 7))
    box = Box.of_shape(image.shape, start)
    made = downsample(image, method="mean", block=_block(box))
    indices = [np.arange(a, b) // 2 - a // 2 for a, b in zip(box.start, box.stop, strict=True)]
    total = np.zeros([int(i.max()) + 1 for i in indices])
    count = np.zeros_like(total)
    np.add.at(total, np.ix_(*indices), image)
    np.add.at(count, np.ix_(*indices), 1)
    assert np.allclose(made, total / count)


def test_labels_keep_the_most_frequent_id() -> None:
    labels = np.array([[[7, 7, 2], [7, 3, 2]]], np.uint64)
    assert downsample(labels, method="mode", block=_block(Box.of_shape(labels.shape))).tolist() == [[[7, 2]]]
