"""Chunks of the cache are anchored at those of the source, and neither tiny nor huge."""

from __future__ import annotations

import math

import pytest

from voxome import VolumeSpec
from voxome.geometry import Box
from voxome.relay.cache.grid import LARGEST_BYTES, SMALLEST_BYTES, chunk_grid


def spec(shape, dtype, chunk=None, start=None) -> VolumeSpec:
    return VolumeSpec.of(shape, dtype, chunk=chunk, start=start)


@pytest.mark.parametrize(
    ("chunk", "dtype"),
    [((64, 64, 64), "uint8"), ((1, 4096, 4096), "uint16"), ((8, 8, 8), "uint8"), ((2048, 2048, 2048), "uint64"),
     ((1, 1, 1), "float32"), ((7, 1001, 3333), "uint64")],
)  # fmt: skip
def test_a_chunk_is_neither_tiny_nor_huge(chunk: tuple[int, ...], dtype: str) -> None:
    grid = chunk_grid(None, spec((5000, 6000, 7000), dtype, chunk))
    nbytes = math.prod(grid.block) * spec((1,), dtype).dtype.itemsize
    assert SMALLEST_BYTES <= nbytes <= LARGEST_BYTES
    for length, own in zip(grid.block, chunk, strict=True):
        assert length % own == 0 or length < own


def test_times_and_channels_are_grouped_last() -> None:
    described = VolumeSpec.of((9, 2, 100, 100, 100), "uint8", chunk=(1, 1, 16, 16, 16), axes="tczyx")
    assert chunk_grid(None, described).block == (1, 1, 64, 64, 64)
    small = VolumeSpec.of((900, 20, 20, 20), "uint8", chunk=(1, 20, 20, 20), axes="tzyx")
    assert chunk_grid(None, small).block == (64, 20, 20, 20)


def test_a_source_without_chunks_is_divided() -> None:
    grid = chunk_grid(None, spec((500, 600, 700), "uint8"))
    assert math.prod(grid.block) == 2**20
    assert max(grid.block) <= 2 * min(grid.block)


def test_a_small_volume_is_one_chunk() -> None:
    assert len(chunk_grid(None, spec((3, 4, 5), "uint8", (1, 2, 2)))) == 1


def test_chunks_begin_where_those_of_the_server_do() -> None:
    class Server:
        chunk_origin = (0, 0, 0)

        def count_requests(self, box: Box) -> int:
            return 1

    described = spec((200, 200, 200), "uint8", (64, 64, 64), start=(10, -5, 70))
    assert str(chunk_grid(Server(), described)[0].write) == "10:64,-5:0,70:128"
    assert str(chunk_grid(None, described)[0].write) == "10:74,-5:59,70:134"
