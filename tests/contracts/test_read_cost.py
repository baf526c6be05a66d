"""The cost of reads: chunks touched, and bytes read for bytes wanted."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxome
from voxome.contracts.read_cost import box_cost, chunk_origin, cost_warning, grid_cost
from voxome.contracts.spec import VolumeSpec
from voxome.geometry import BlockGrid, Box
from voxome.testing.strategies import boxes

SPEC = VolumeSpec.of((20, 30, 41), "uint16", chunk=(4, 7, 16), start=(-3, 5, 0))


def chunks_of(spec: VolumeSpec, box: Box, origin: tuple[int, ...]) -> list[int]:
    """Return the voxels inside the volume of every chunk that a box touches, by looking at each chunk of the grid."""
    chunk = spec.read_chunk
    assert chunk is not None
    numbers = [
        range((a - o) // n - 1, (b - o) // n + 2)
        for a, b, o, n in zip(spec.domain.start, spec.domain.stop, origin, chunk, strict=True)
    ]
    found = []
    for cell in itertools.product(*numbers):
        one = Box.of_shape(chunk, [o + i * n for o, i, n in zip(origin, cell, chunk, strict=True)])
        if not (one & box).empty:
            found.append((one & spec.domain).size)
    return found


@pytest.mark.slow
@given(boxes(SPEC.domain), st.tuples(*[st.integers(-9, 9)] * 3))
def test_a_box_costs_the_chunks_that_it_touches(box: Box, origin: tuple[int, int, int]) -> None:
    cost, touched = box_cost(SPEC, box, origin), chunks_of(SPEC, box, origin)
    assert cost.chunks == len(touched)
    assert cost.read_bytes == 2 * sum(touched)
    assert cost.wanted_bytes == 2 * box.size
    assert cost.amplification == pytest.approx(sum(touched) / box.size if box.size else 1)


def test_chunks_are_counted_from_the_start_of_the_domain() -> None:
    box = Box((-3, 5, 0), (1, 12, 16))
    assert box_cost(SPEC, box) == box_cost(SPEC, box, SPEC.domain.start)
    assert box_cost(SPEC, box).chunks == 1


@pytest.mark.parametrize("halo", [None, ((1, 0, 3), (2, 2, 0))])
def test_a_grid_costs_all_its_blocks(halo: Any) -> None:
    grid = BlockGrid(SPEC.domain, (6, 10, 11), Box((-2, 6, 1), (15, 30, 40)), halo)
    each = [box_cost(SPEC, block.read) for block in grid]
    cost = grid_cost(SPEC, grid)
    assert cost.chunks == sum(one.chunks for one in each)
    assert cost.read_bytes == sum(one.read_bytes for one in each)
    assert cost.wanted_bytes == sum(one.wanted_bytes for one in each)


def test_an_array_without_chunks_reads_what_is_wanted() -> None:
    cost = box_cost(SPEC.replace(read_chunk=None), Box((0, 6, 1), (2, 9, 5)))
    assert (cost.chunks, cost.read_bytes, cost.amplification) == (1, cost.wanted_bytes, 1)


def test_an_empty_box_costs_nothing() -> None:
    cost = box_cost(SPEC, Box((0, 6, 1), (0, 9, 5)))
    assert (cost.chunks, cost.read_bytes, cost.wanted_bytes, cost.amplification) == (0, 0, 0, 1)


def test_a_grid_of_a_petabyte_is_counted_at_once() -> None:
    spec = VolumeSpec.of((100_000, 100_000, 100_000), "uint8", chunk=(16, 512, 512))
    cost = grid_cost(spec, BlockGrid(spec.domain, (64, 64, 64)))
    assert cost.wanted_bytes == math.prod(spec.domain.shape)
    assert cost.amplification == pytest.approx(64, rel=0.02)


def test_the_warning_names_the_chunks() -> None:
    text = cost_warning("zarr://a", "blocks of 64 voxels", SPEC, 12.345)
    assert "zarr://a: blocks of 64 voxels read 12.3 bytes for each byte wanted" in text
    assert "chunks have 4,7,16 voxels" in text


def test_sources_that_are_not_servers_have_chunks_from_the_start_of_the_domain() -> None:
    volume = voxome.create("memory://read-cost", VolumeSpec.of((4, 5, 6), "uint8", start=(1, 2, 3)))
    assert chunk_origin(volume.source) == (1, 2, 3)
