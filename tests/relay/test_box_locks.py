"""Boxes that overlap wait for each other, in all processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from voxome.geometry import Box
from voxome.relay.box_locks import SharedBoxLocks

HUGE = Box((-1000, -1000, -1000), (1000, 1000, 1000))


@pytest.mark.parametrize("second", ["same process", "another process"])
def test_boxes_that_overlap_wait(tmp_path: Path, second: str) -> None:
    ours = SharedBoxLocks(tmp_path)
    other = ours if second == "same process" else SharedBoxLocks(tmp_path)
    order: list[str] = []

    def hold_other() -> None:
        with other.hold("em", Box((60, 60, 60), (70, 70, 70))):
            order.append("other")

    with ThreadPoolExecutor(1) as pool:
        with ours.hold("em", Box((0, 0, 0), (61, 61, 61))):
            waiting = pool.submit(hold_other)
            Event().wait(0.2)
            order.append("ours")
        waiting.result(100)
    assert order == ["ours", "other"]


def test_a_box_of_any_size_is_held_without_a_deadlock(tmp_path: Path) -> None:
    locks = [SharedBoxLocks(tmp_path) for _ in range(4)]
    boxes = [HUGE, Box((0, 0, 0), (200, 200, 200)), Box((-5, 3, 9), (1, 70, 300)), Box((63, 63, 63), (65, 65, 65))]

    def hold(number: int) -> None:
        with locks[number % 4].hold("em", boxes[number % 3]):
            Event().wait(0.001)

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(hold, number) for number in range(100)]:
            done.result(100)
