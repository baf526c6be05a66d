"""Blocks are multiples of write chunks and contain complete read chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.services.transfer.copy import COVER_BYTES, TARGET_BYTES, block_bytes, block_shape

SHAPES = st.tuples(*[st.integers(1, 4000)] * 3)
CHUNKS = st.tuples(*[st.integers(1, 300)] * 3)


@given(CHUNKS, SHAPES, st.sampled_from([1, 2, 8]), CHUNKS)
def test_blocks_are_multiples_and_bounded(
    write_chunk: tuple[int, ...], extent: tuple[int, ...], itemsize: int, read_chunk: tuple[int, ...]
) -> None:
    block = block_shape(write_chunk, extent, itemsize, read_chunk)
    assert all(b % u == 0 for b, u in zip(block, write_chunk, strict=True))
    assert block_bytes(block, extent, itemsize) <= max(COVER_BYTES, block_bytes(write_chunk, extent, itemsize))


@pytest.mark.parametrize(
    ("write_chunk", "extent", "read_chunk", "block"),
    [
        ((64, 64, 64), (4000, 4000, 4000), (128, 128, 128), (128, 128, 2048)),
        ((64, 64, 64), (4000, 512, 512), (1, 512, 512), (128, 512, 512)),
        ((1, 1, 1), (300, 400, 500), (1, 1, 1), (128, 512, 512)),
        ((512, 512, 512), (4000, 4000, 4000), (64, 64, 64), (512, 512, 512)),
    ],
)
def test_block_shapes_of_known_cases_are_correct(
    write_chunk: tuple[int, ...], extent: tuple[int, ...], read_chunk: tuple[int, ...], block: tuple[int, ...]
) -> None:
    assert block_shape(write_chunk, extent, 1, read_chunk) == block
    assert block_bytes(block, extent, 1) <= max(TARGET_BYTES, 512**3)
