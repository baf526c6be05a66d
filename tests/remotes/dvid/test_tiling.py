"""Boxes cut along blocks, and blocks held by one thread."""

from __future__ import annotations

import threading
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voxome.geometry import Box
from voxome.remotes.dvid.tiling import block_box, blocks, holding, pieces

LENGTHS = st.tuples(*[st.integers(1, 20)] * 3)
BOXES = st.builds(Box.of_shape, LENGTHS, st.tuples(*[st.integers(-30, 30)] * 3))


@given(BOXES, LENGTHS, st.integers(1, 3000))
def test_pieces_cover_once_and_cut_no_block(box: Box, block: tuple[int, int, int], voxels: int) -> None:
    seen = np.zeros(box.shape, int)
    most = max(voxels, block[0] * block[1] * block[2])
    for piece in pieces(box, block, voxels):
        seen[piece.within(box)] += 1
        assert piece.snap(block).size <= most
        assert (piece.snap(block) & box) == piece
    assert (seen == 1).all()


@given(BOXES, LENGTHS)
def test_blocks_fill_the_snapped_box(box: Box, block: tuple[int, int, int]) -> None:
    whole = box.snap(block)
    assert box in whole
    boxes = [block_box(place, block) for place in blocks(box, block)]
    assert sum(one.size for one in boxes) == whole.size
    assert all(one in whole and not (one & box).empty for one in boxes)


def test_an_empty_box_has_no_pieces() -> None:
    assert pieces(Box((1, 2, 3), (1, 5, 5)), (4, 4, 4), 100) == []


def test_one_thread_holds_a_block() -> None:
    inside, most = 0, 0

    def work(keys: list[int]) -> None:
        nonlocal inside, most
        with holding(keys):
            inside += 1
            most = max(most, inside)
            time.sleep(0.002)
            inside -= 1

    threads = [threading.Thread(target=work, args=([0, i],)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_others_are_not_held_up() -> None:
    with holding([1, 2]):
        done = threading.Event()
        thread = threading.Thread(target=lambda: holding([3]).__enter__() or done.set())
        thread.start()
        assert done.wait(5)
        thread.join()
