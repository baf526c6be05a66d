"""Pairs of labels that are one object in the overlap of two blocks, or touch between them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import Block
from voxome.tools.common.block_contacts import block_contacts
from voxome.tools.common.block_overlaps import block_overlaps

DOMAIN = Box.of_shape((4, 4, 12))
FRAME = Frame(DOMAIN, DOMAIN, None, (0.0, 0.0, 0.0))
GRID = BlockGrid(DOMAIN, (4, 4, 6), halo=((0, 0, 4), (0, 0, 4)))


def context(block: Block) -> BlockContext:
    return BlockContext(block.write, block.write.grow((1, 1, 1), (1, 1, 1)) & DOMAIN, FRAME)


def pairs_of(ranks: list[NDArray[np.uint32]], fraction: float) -> list[tuple[int, int]]:
    """Return the pairs of two blocks; label *n* of block *b* has the id 10 b + n."""
    parts = [
        (
            block.write,
            {
                "ranks": ranks[number],
                "ids": 10 * number + np.arange(10, dtype=np.uint64),
                "start": np.array(block.read.start),
            },
        )
        for number, block in enumerate(GRID)
    ]
    found = [block_overlaps(parts, fraction=fraction, block=context(block))["pairs"] for block in GRID]
    return [pair for rows in found for pair in zip(rows["a"].tolist(), rows["b"].tolist(), strict=True)]


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, [(1, 11)]), (0.51, []), (0.25, [(1, 11), (2, 11)])])
def test_labels_are_one_if_enough_of_the_smaller_one_is_common(
    fraction: float, expected: list[tuple[int, int]]
) -> None:
    first, second = (np.zeros(block.read.shape, np.uint32) for block in GRID)
    first[0, 0, 4:6], first[0, 1, 4:8] = 1, 2  # voxels 4 to 8 along x are in the inner halves of both halos
    second[0, 0, 3:5], second[0, 1, 5:6] = 1, 1
    assert pairs_of([first, second], fraction) == expected


def test_voxels_outside_the_inner_halves_of_both_halos_do_not_count() -> None:
    first, second = (np.zeros(block.read.shape, np.uint32) for block in GRID)
    first[:, :, :4], second[:, :, 6:] = 1, 1
    first[0, 0, 5], second[0, 0, 3] = 1, 1
    first[1, :, 8:], second[1, :, :2] = 2, 2
    first[2, :, 8:], second[2, :, 6:] = 3, 3
    assert pairs_of([first, second], 1.0) == [(1, 11)]


def test_only_labels_on_both_sides_of_a_face_of_blocks_touch() -> None:
    labels = np.zeros(DOMAIN.shape, np.uint64)
    labels[0, 0, :3], labels[0, 0, 3:6], labels[0, 0, 6:] = 1, 2, 11
    labels[3, 3, 5], labels[3, 2, 6] = 3, 12
    found = [
        block_contacts(labels[forward(block).read.within(DOMAIN)], block=forward(block))["pairs"] for block in GRID
    ]
    assert [list(zip(rows["a"].tolist(), rows["b"].tolist(), strict=True)) for rows in found] == [[(2, 11)], []]


def forward(block: Block) -> BlockContext:
    return BlockContext(block.write, block.write.grow((0, 0, 0), (1, 1, 1)) & DOMAIN, FRAME)
