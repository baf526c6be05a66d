from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
from relay.serving import stored

from voxome.contracts.spec import Scale
from voxome.relay.source_entry import ReadableSource
from voxome.relay.source_handles import OpenedSource


class Stalled:
    """A store that does not say which levels it has, until it may."""

    def __init__(self) -> None:
        self.reached, self.may = Event(), Event()

    @property
    def levels(self) -> tuple[object, ...]:
        self.reached.set()
        assert self.may.wait(100)
        return ()

    def level(self, number: int) -> ReadableSource:
        raise AssertionError

    def create_level(self, factors: Scale) -> ReadableSource:
        raise AssertionError


def test_a_store_that_does_not_answer_holds_up_no_other() -> None:
    store = Stalled()
    slow = OpenedSource("a", stored(np.zeros((4, 4, 4), np.uint8)))
    slow.__dict__["pyramid"] = store
    quick = OpenedSource("b", stored(np.zeros((4, 4, 4), np.uint8)))
    with ThreadPoolExecutor(2) as threads:
        waits = threads.submit(lambda: slow.scales)
        try:
            assert store.reached.wait(100)
            assert threads.submit(lambda: quick.scales).result(100) == ((1, 1, 1),)
            assert not waits.done()
        finally:
            store.may.set()
        assert waits.result(100) == slow.scales == ()
