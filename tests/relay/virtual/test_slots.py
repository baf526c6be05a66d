"""The bound on computations."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from voxome.relay.virtual.slots import ComputeSlots


@pytest.mark.parametrize(("threads", "nbytes"), [(1, 1), (8, 60)])
def test_computations_wait_for_threads_and_memory(threads: int, nbytes: int) -> None:
    slots, entered = ComputeSlots(threads, 100), Event()

    def run() -> None:
        with slots.hold(nbytes):
            entered.set()

    with slots.hold(nbytes):
        other = Thread(target=run)
        other.start()
        assert not entered.wait(0.05)
    assert entered.wait(100)
    other.join(100)


def test_one_that_needs_more_than_there_is_runs_alone() -> None:
    with ComputeSlots(2, 100).hold(1000):
        pass


def test_an_error_frees_the_slot() -> None:
    slots = ComputeSlots(1)
    with pytest.raises(KeyError), slots.hold(1):
        raise KeyError
    with slots.hold(1):
        pass
