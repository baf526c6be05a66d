"""Sums of tiles: exact, the same for any blocks, and of the voxels that a plain loop finds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray
from tools.common.blockwise import ArraysOfBlocks

from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.tools.common.contrast.tile_sums import count_from_zero, read_sums, sum_tiles
from voxome.tools.common.density.grid import DensityGrid

DOMAIN = Box.of_shape((9, 13, 17), (3, -5, 7))
FRAME = Frame(DOMAIN, DOMAIN, (1000.0, 1000.0, 1000.0), (2000.0, 0.0, -3400.0))
GRID = DensityGrid((1, 4, 5), FRAME)
TILES = count_from_zero(DOMAIN, FRAME).coarsen(GRID.factors)


def stored_sums(values: NDArray[np.generic], known: NDArray[np.bool_], block: tuple[int, ...]) -> ArraysOfBlocks:
    stored = ArraysOfBlocks()
    for one in BlockGrid(DOMAIN, block):
        part = one.write.within(DOMAIN)
        stored.blocks.append((one.write, sum_tiles(values[part], known[part], one.write, GRID)))
    return stored


def plain_sums(values: NDArray[np.generic], known: NDArray[np.bool_]) -> Iterator[tuple[tuple[int, ...], list[float]]]:
    corner = count_from_zero(DOMAIN, FRAME).start
    for tile in product(*(range(a, b) for a, b in zip(TILES.start, TILES.stop, strict=True))):
        sides = zip(tile, GRID.factors, corner, strict=True)
        part = tuple(slice(max(t * f - c, 0), (t + 1) * f - c) for t, f, c in sides)
        own = values[part][known[part]].astype(np.float64)
        yield tuple(t - a for t, a in zip(tile, TILES.start, strict=True)), [own.size, own.sum(), (own**2).sum()]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_sums_are_those_of_the_voxels_whatever_the_blocks(dtype: DTypeLike) -> None:
    rng = np.random.default_rng(5)
    known = rng.random(DOMAIN.shape) < 0.8
    values = rng.integers(0, 200, DOMAIN.shape).astype(dtype)
    values[:4] *= np.dtype(dtype).type(1 if dtype == "uint8" else -100 if dtype == "int16" else 100)
    whole = read_sums(stored_sums(values, known, DOMAIN.shape), GRID, TILES)
    for tile, expected in plain_sums(values, known):
        assert whole[(slice(None), *tile)].tolist() == expected
    for block in ((4, 5, 6), (1, 13, 3), (9, 4, 40)):
        np.testing.assert_array_equal(read_sums(stored_sums(values, known, block), GRID, TILES), whole)


def test_sums_of_floats_of_all_sizes_do_not_depend_on_blocks() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=DOMAIN.shape) * 10.0 ** rng.integers(-9, 9, DOMAIN.shape)
    known = np.ones(DOMAIN.shape, bool)
    whole = read_sums(stored_sums(values, known, DOMAIN.shape), GRID, TILES)
    for block in ((4, 5, 6), (2, 3, 2)):
        np.testing.assert_array_equal(read_sums(stored_sums(values, known, block), GRID, TILES), whole)
    for tile, expected in plain_sums(values, known):
        np.testing.assert_allclose(whole[(slice(None), *tile)], expected, rtol=1e-3, atol=1e5)


def test_beyond_the_volume_there_is_nothing() -> None:
    stored = stored_sums(np.full(DOMAIN.shape, 7, np.uint8), np.ones(DOMAIN.shape, bool), (4, 5, 6))
    wide = read_sums(stored, GRID, TILES.grow((2, 2, 2)))
    inner = read_sums(stored, GRID, TILES)
    np.testing.assert_array_equal(wide[:, 2:-2, 2:-2, 2:-2], inner)
    assert wide[0].sum() == inner[0].sum() == DOMAIN.size


def test_sums_of_integers_are_stored_in_few_bytes() -> None:
    stored = stored_sums(np.full(DOMAIN.shape, 200, np.uint8), np.ones(DOMAIN.shape, bool), DOMAIN.shape)
    ((_, arrays),) = stored.blocks
    assert [arrays[name].dtype for name in ("voxels", "total", "squares")] == [np.int8, np.int16, np.int32]


def test_arrays_of_another_tool_are_refused() -> None:
    stored = ArraysOfBlocks()
    stored.blocks.append((DOMAIN, {"values": np.zeros(3)}))
    with pytest.raises(InvalidInput, match=r"has tiles of edge_z 0, .*expected edge_z 1, .*common\.tile_moments"):
        read_sums(stored, GRID, TILES)
