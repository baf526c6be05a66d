"""Locks on boxes, held by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from voxome.geometry import Box
from voxome.geometry.box_locks import BoxLocks


def test_boxes_that_overlap_wait_and_others_do_not() -> None:
    locks, order = BoxLocks(), []

    def hold(volume: str, box: Box, then: Callable[[], object]) -> None:
        with locks.hold(volume, box):
            order.append(volume + str(box))
            then()

    held, go = threading.Event(), threading.Event()
    first = threading.Thread(target=hold, args=("a", Box((0,), (5,)), lambda: (held.set(), go.wait(100))))
    first.start()
    assert held.wait(100)
    hold("a", Box((5,), (9,)), lambda: None)
    hold("b", Box((0,), (5,)), lambda: None)
    waiting = threading.Thread(target=hold, args=("a", Box((4,), (6,)), lambda: None))
    waiting.start()
    waiting.join(0.05)
    assert order == ["a0:5", "a5:9", "b0:5"]
    go.set()
    for thread in (first, waiting):
        thread.join(100)
    assert order[-1] == "a4:6"
