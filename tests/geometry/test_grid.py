"""Grids of blocks: every voxel is in one block, and no block is stored."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.errors import InvalidBox
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import region_grids
from voxome.testing.strategies import boxes

DOMAIN = Box((-4, 2, -1), (8, 15, 9))
shapes = st.tuples(*[st.integers(1, 14)] * 3)
halos = st.tuples(st.tuples(*[st.integers(0, 3)] * 3), st.tuples(*[st.integers(0, 3)] * 3))


@given(shapes, boxes(DOMAIN, empty=False))
def test_write_boxes_tile_the_box(shape: tuple[int, ...], box: Box) -> None:
    seen = np.zeros(DOMAIN.shape, int)
    for block in BlockGrid(DOMAIN, shape, box):
        seen[block.write.within(DOMAIN)] += 1
    expected = np.zeros(DOMAIN.shape, int)
    expected[box.within(DOMAIN)] = 1
    np.testing.assert_array_equal(seen, expected)


@given(shapes, boxes(DOMAIN, empty=False))
def test_the_grid_is_anchored_at_the_domain_for_any_box(shape: tuple[int, ...], box: Box) -> None:
    whole = {block.write for block in BlockGrid(DOMAIN, shape)}
    cut = {block.write for block in BlockGrid(DOMAIN, shape, box)}
    assert cut == {block & box for block in whole if not (block & box).empty}
    for block in whole:
        assert all((a - o) % n == 0 for a, o, n in zip(block.start, DOMAIN.start, shape, strict=True))


@given(shapes, boxes(DOMAIN, empty=False), halos)
def test_read_boxes_grow_within_the_domain(
    shape: tuple[int, ...], box: Box, halo: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    for block, bare in zip(BlockGrid(DOMAIN, shape, box, halo), BlockGrid(DOMAIN, shape, box), strict=True):
        assert block.write == bare.write == bare.read
        assert block.read == block.write.grow(*halo) & DOMAIN


@given(shapes, boxes(DOMAIN, empty=False))
def test_indices_match_grid_cells(shape: tuple[int, ...], box: Box) -> None:
    grid = BlockGrid(DOMAIN, shape, box)
    blocks = list(grid)
    assert len(grid) == len(blocks) == int(np.prod(grid.shape))
    assert [block.index for block in blocks] == list(range(len(grid)))
    assert [block.write.start for block in blocks] == sorted(block.write.start for block in blocks)
    for cell, block in zip(itertools.product(*map(range, grid.shape)), blocks, strict=True):
        assert grid.index_at(cell) == block.index
        assert grid.index_of(block.write.start) == block.index
        assert grid.index_of([i - 1 for i in block.write.stop]) == block.index
        assert grid[block.index] == block


@pytest.mark.slow
@given(shapes, boxes(DOMAIN, empty=False), boxes(Box((-9, -4, -9), (12, 19, 14))))
def test_touching_yields_the_blocks_that_meet_a_box(shape: tuple[int, ...], box: Box, other: Box) -> None:
    grid = BlockGrid(DOMAIN, shape, box)
    assert list(grid.touching(other)) == [block.index for block in grid if not (block.write & other).empty]


def test_the_memory_of_a_grid_does_not_grow_with_its_blocks() -> None:
    tracemalloc.start()
    grid = BlockGrid(Box.of_shape((100_000,) * 3), (64,) * 3, halo=((8,) * 3, (8,) * 3))
    assert len(grid) == 1563**3
    last = grid[len(grid) - 1]
    assert last.write == Box((99_968,) * 3, (100_000,) * 3)
    assert last.read == Box((99_960,) * 3, (100_000,) * 3)
    assert len(list(grid.touching(Box.of_shape((65, 65, 1), (50_048,) * 3)))) == 4
    assert next(iter(grid)).index == 0
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("index", [-1, 8])
def test_blocks_out_of_range_are_refused(index: int) -> None:
    grid = BlockGrid(Box.of_shape((4, 4, 4)), (2, 2, 2))
    with pytest.raises(IndexError, match="grid of 8"):
        grid[index]
    with pytest.raises(IndexError):
        grid.index_at((0, 0, 2))
    with pytest.raises(InvalidBox):
        grid.index_of((0, 0, 4))


@pytest.mark.parametrize(
    ("block", "box"),
    [
        ((4, 4), None),
        ((4, 0, 4), None),
        ((4, 4, 4), Box((0, 0, 0), (1, 1, 11))),
        ((4, 4, 4), Box((2, 2, 2), (2, 5, 5))),
        ((4, 4, 4), Box((0, 0), (5, 5))),
    ],
)
def test_invalid_grids_are_refused(block: tuple[int, ...], box: Box | None) -> None:
    with pytest.raises(InvalidBox):
        BlockGrid(Box.of_shape((10, 10, 10)), block, box)


@given(shapes, boxes(DOMAIN, empty=False), st.tuples(*[st.integers(-20, 20)] * 3))
def test_blocks_start_at_the_anchor(shape: tuple[int, ...], box: Box, anchor: tuple[int, ...]) -> None:
    grid = BlockGrid(DOMAIN, shape, box, anchor=anchor)
    wide = Box((-99, -99, -99), (99, 99, 99))
    start = tuple(a - (a - w) // n * n for a, w, n in zip(anchor, wide.start, shape, strict=True))
    same = BlockGrid(Box(start, wide.stop), shape, box)
    assert [block.write for block in grid] == [block.write for block in same]


@given(shapes, boxes(DOMAIN, empty=False))
def test_regions_start_at_the_corner_of_the_box(shape: tuple[int, ...], box: Box) -> None:
    grids = region_grids(box, shape)
    assert [grid[0].write.start for grid in grids] == [box.start] * len(grids)
    assert grids[-1][0].write == box
    for fine, coarse in itertools.pairwise(grids):
        for region in coarse:
            children = [fine[index].write for index in fine.touching(region.write)]
            assert sum(child.size for child in children) == region.write.size
            assert all(child in region.write for child in children)


@pytest.mark.parametrize("anchor", [(0, 0), (0.5, 0, 0), 3])
def test_an_invalid_anchor_is_refused(anchor: Any) -> None:
    with pytest.raises(InvalidBox, match="anchor"):
        BlockGrid(Box.of_shape((10, 10, 10)), (4, 4, 4), anchor=anchor)
