from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxome.errors import InvalidBox, InvalidInput
from voxome.geometry import Box
from voxome.tools.common.voxel_ids import pack
from voxome.tools.em.kernels.basins import basins

MOVES = [(0, 0, 0), (-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)]


def brute(height: NDArray[np.int32], read: Box, write: Box, domain: Box, box: Box) -> NDArray[np.uint64]:
    def value(point: tuple[int, ...]) -> int:
        return int(height[tuple(p - s for p, s in zip(point, read.start, strict=True))])

    def up(point: tuple[int, ...]) -> tuple[int, ...]:
        near = (tuple(p + m for p, m in zip(point, move, strict=True)) for move in MOVES)
        return min((q for q in near if q in box), key=lambda q: (-value(q), q))

    labels = np.zeros(write.shape, np.uint64)
    for index in itertools.product(*map(range, write.shape)):
        point: tuple[int, ...] = tuple(i + s for i, s in zip(index, write.start, strict=True))
        if value(point) < 0:
            continue
        while point in write and up(point) != point:
            point = up(point)
        labels[index] = pack(point, domain)
    return labels


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.integers(0, 2**16),
    st.sampled_from([2, 5, 1000]),
    st.lists(st.integers(0, 5), min_size=6, max_size=6),
    st.tuples(*[st.integers(-50, 50)] * 3),
)
def test_basins_match_a_walk_along_steepest_ascent(
    seed: int, levels: int, cut: list[int], origin: tuple[int, int, int]
) -> None:
    domain = Box.of_shape((7, 8, 9), origin)
    box = domain.grow((-1, 0, -1), (0, -1, 0))
    start = tuple(a + c for a, c in zip(box.start, cut[:3], strict=True))
    write = Box(start, tuple(a + 1 + c for a, c in zip(start, cut[3:], strict=True))) & box
    height = np.random.default_rng(seed).integers(-1, levels, domain.shape).astype(np.int32)
    read = write.grow((1, 1, 1)) & domain
    expected = brute(height, domain, write, domain, box)
    for known in (domain, read):
        labels = basins(height[known.within(domain)], known, write, domain, box)
        np.testing.assert_array_equal(labels, expected)


def test_background_is_never_entered() -> None:
    height = np.array([3, -1, 3, 2, -1], np.int32).reshape(1, 1, 5)
    box = Box.of_shape(height.shape)
    assert basins(height, box, box, box).ravel().tolist() == [1, 0, 3, 3, 0]


def test_missing_heights_are_refused() -> None:
    domain = Box.of_shape((4, 4, 4))
    write = Box((0, 0, 0), (2, 4, 4))
    with pytest.raises(InvalidBox, match="0:3,0:4,0:4"):
        basins(np.zeros(write.shape, np.int32), write, write, domain)
    with pytest.raises(InvalidInput, match="shape"):
        basins(np.zeros((1, 1, 1), np.int32), domain, write, domain)
