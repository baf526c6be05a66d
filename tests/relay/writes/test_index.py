"""The index of the journal finds the writes to a box, however large coordinates are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from voxome.geometry import Box
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.index import WriteIndex


@pytest.fixture
def index(tmp_path: Path) -> Iterator[WriteIndex]:
    with closing(WriteIndex(tmp_path / "index.sqlite")) as one:
        one._connection.execute("PRAGMA synchronous = OFF")  # a disk makes each write wait
        yield one


def add(index: WriteIndex, number: int, box: Box, source: str = "em", level: int = 0) -> WriteEntry:
    entry = WriteEntry(number, source, source, level, box, "layout", "|u1", False, box.size, 0, 0.0, ())
    index.add(entry, 10)
    return entry


def boxes(ndim: int, offset: int, count: int) -> list[Box]:
    random = np.random.default_rng(count)
    starts = random.integers(-9, 9, (count, ndim)).tolist()
    shapes = random.integers(1, 5, (count, ndim)).tolist()
    return [
        Box(tuple(offset + low for low in start), tuple(offset + low + n for low, n in zip(start, shape, strict=True)))
        for start, shape in zip(starts, shapes, strict=True)
    ]


@pytest.mark.parametrize("ndim", [2, 3, 4])
@pytest.mark.parametrize("offset", [0, 2**24, -(2**31), 2**53 + 1, 2**60 - 1])
def test_exactly_the_writes_to_a_box_are_found_in_order(index: WriteIndex, ndim: int, offset: int) -> None:
    written = boxes(ndim, offset, 60)
    for number, box in enumerate(written, 1):
        add(index, number, box)
        if number % 6 == 0:
            add(index, 1000 + number, box, level=1)
            add(index, 2000 + number, box, "other")
    for box in boxes(ndim, offset, 20):
        expected = [number for number, one in enumerate(written, 1) if not (one & box).empty]
        assert [one.entry.number for one in index.overlapping("em", 0, box)] == expected


def test_a_write_is_behind_earlier_ones_to_its_voxels_until_they_are_removed(index: WriteIndex) -> None:
    add(index, 1, Box((0, 0, 0), (4, 4, 4)))
    add(index, 2, Box((4, 4, 4), (8, 8, 8)))
    third = add(index, 3, Box((3, 3, 3), (4, 4, 4)))
    assert index.is_behind(third, 3)
    assert not index.is_behind(third, 1)
    index.remove([1])
    assert not index.is_behind(third, 3)


def test_sources_are_those_with_writes(index: WriteIndex) -> None:
    assert index.reserve(10, 0, 100, "soon") == 1
    add(index, 2, Box((0, 0, 0), (4, 4, 4)))
    add(index, 3, Box((0, 0, 0), (4, 4, 4)), "other")
    assert index.sources() == {"em", "other"}
    index.remove([2])
    assert index.sources() == {"other"}
    index.release(1)
    index.remove([3])
    assert index.nbytes == 0


@pytest.mark.parametrize("ndim", [2, 4])
def test_writes_of_volumes_with_other_axes_are_not_found(index: WriteIndex, ndim: int) -> None:
    add(index, 1, Box((0,) * ndim, (4,) * ndim))
    assert index.overlapping("em", 0, Box((0, 0, 0), (4, 4, 4))) == []
