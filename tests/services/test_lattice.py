"""Blocks fit the chunks that are written, and hold whole ones of those that are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.services.transfer.block_shape import COVER_BYTES, GOOD_BYTES, block_bytes, block_shape

SHAPES = st.tuples(*[st.integers(1, 4000)] * 3)
CHUNKS = st.tuples(*[st.integers(1, 300)] * 3)


@given(CHUNKS, SHAPES, st.sampled_from([1, 2, 8]), CHUNKS)
def test_blocks_are_multiples_and_bounded(
    unit: tuple[int, ...], extent: tuple[int, ...], itemsize: int, cover: tuple[int, ...]
) -> None:
    block = block_shape(unit, extent, itemsize, cover)
    assert all(b % u == 0 for b, u in zip(block, unit, strict=True))
    assert block_bytes(block, extent, itemsize) <= max(COVER_BYTES, block_bytes(unit, extent, itemsize))


@pytest.mark.parametrize(
    ("unit", "extent", "cover", "block"),
    [
        ((64, 64, 64), (4000, 4000, 4000), (128, 128, 128), (128, 128, 2048)),
        ((64, 64, 64), (4000, 512, 512), (1, 512, 512), (128, 512, 512)),
        ((1, 1, 1), (300, 400, 500), (1, 1, 1), (128, 512, 512)),
        ((512, 512, 512), (4000, 4000, 4000), (64, 64, 64), (512, 512, 512)),
    ],
)
def test_shapes(unit: tuple[int, ...], extent: tuple[int, ...], cover: tuple[int, ...], block: tuple[int, ...]) -> None:
    assert block_shape(unit, extent, 1, cover) == block
    assert block_bytes(block, extent, 1) <= max(GOOD_BYTES, 512**3)
