"""Boxes split along blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voxome.geometry import Box
from voxome.remotes.dvid.tiling import block_box, block_indices, split_box

LENGTHS = st.tuples(*[st.integers(1, 20)] * 3)
BOXES = st.builds(Box.of_shape, LENGTHS, st.tuples(*[st.integers(-30, 30)] * 3))


@given(BOXES, LENGTHS, st.integers(1, 3000))
def test_parts_cover_the_box_once_and_cut_no_block(box: Box, block: tuple[int, int, int], voxels: int) -> None:
    seen = np.zeros(box.shape, int)
    most = max(voxels, block[0] * block[1] * block[2])
    for part in split_box(box, block, voxels):
        seen[part.within(box)] += 1
        assert part.snap(block).size <= most
        assert (part.snap(block) & box) == part
    assert (seen == 1).all()


@given(BOXES, LENGTHS)
def test_blocks_fill_the_snapped_box(box: Box, block: tuple[int, int, int]) -> None:
    whole = box.snap(block)
    assert box in whole
    boxes = [block_box(index, block) for index in block_indices(box, block)]
    assert sum(one.size for one in boxes) == whole.size
    assert all(one in whole and not (one & box).empty for one in boxes)


def test_an_empty_box_has_no_parts() -> None:
    assert split_box(Box((1, 2, 3), (1, 5, 5)), (4, 4, 4), 100) == []
