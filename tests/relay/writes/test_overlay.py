"""Writes laid over voxels: as if they had been made one after the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voxome.geometry import Box
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.frame import Voxels
from voxome.relay.writes.overlay import lay_over

DOMAIN = Box((-2, 3, 0), (6, 9, 7))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    start, stop = [], []
    for low, high in zip(DOMAIN.start, DOMAIN.stop, strict=True):
        start.append(draw(st.integers(low, high - 1)))
        stop.append(draw(st.integers(start[-1] + 1, high)))
    return Box(tuple(start), tuple(stop))


@given(st.lists(st.tuples(boxes(), st.booleans()), max_size=6), boxes(), st.integers(0, 2**16))
def test_voxels_are_those_after_all_writes_in_order(writes: list[tuple[Box, bool]], box: Box, seed: int) -> None:
    random = np.random.default_rng(seed)
    stored = random.integers(0, 100, DOMAIN.shape, "uint8")
    expected, entries, contents = stored.copy(), [], {}
    for number, (written, masked) in enumerate(writes):
        data = random.integers(100, 200, written.shape, "uint8")
        where = random.random(written.shape) < 0.5 if masked else None
        np.copyto(expected[written.within(DOMAIN)], data, where=True if where is None else where)
        entries.append(WriteEntry(number, "", "", 0, written, "", "uint8", masked, 0, 0, 0.0, ()))
        contents[number] = Voxels(data, where)
    reads: list[Box] = []

    def read(part: Box) -> np.ndarray:
        reads.append(part)
        return stored[part.within(DOMAIN)]

    found = lay_over(entries, lambda entry: contents[entry.number], box, np.dtype("uint8"), read)
    np.testing.assert_array_equal(found, expected[box.within(DOMAIN)])
    assert len(reads) <= 1
    if any(box in written and not masked for written, masked in writes):
        assert not reads
