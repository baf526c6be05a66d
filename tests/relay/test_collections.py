"""Collections of annotations whose stores do not answer."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import anyio
import pytest

from voxome.relay import collections
from voxome.relay.collections import Collections
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.threads import RequestThreads

FAR = "precomputed://https://far.example/points"


class Silence:
    """A store of which nothing comes once it is reached, until the test ends."""

    def __init__(self) -> None:
        self.reached, self.ended = Event(), Event()

    def open(self, uri: str, **_: Any) -> Any:
        if uri == FAR:
            self.reached.set()
            self.ended.wait()
        raise OSError(uri)


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    found = Silence()
    monkeypatch.setattr(collections, "open", found.open)
    yield found
    found.ended.set()


def test_a_collection_whose_store_does_not_answer_holds_up_nobody_else(silence: Silence) -> None:
    served = Collections()
    served.add("far", FAR)
    served.add("other", "precomputed://https://other.example/points")

    async def read_both() -> None:
        threads = RequestThreads(working=1)

        async def read_far() -> None:
            with pytest.raises(SourceUnavailable):
                await threads.run(served.read, "far", "info", None, None)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_far)
            await anyio.to_thread.run_sync(silence.reached.wait)
            try:
                with anyio.fail_after(30), pytest.raises(SourceUnavailable, match="other cannot be opened"):
                    await threads.run(served.read, "other", "info", None, None)
            finally:
                silence.ended.set()

    anyio.run(read_both)


@pytest.mark.usefixtures("silence")
def test_a_collection_whose_store_does_not_answer_in_time_is_unavailable() -> None:
    served = Collections(timeout_s=0.001)
    served.add("far", FAR)
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        served.read("far", "info", None, None)
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        served.use("far", lambda source: source)
