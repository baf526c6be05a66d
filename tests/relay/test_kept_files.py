"""Chunks in memory are sent without a thread, by the same answers and under the same conditions as all others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import SHAPE, Store, open_cache
from relay.serving import as_user, serving, stored
from relay.writes.journals import journaled

from voxome.geometry import Box
from voxome.relay.caching import Caching
from voxome.relay.collections import Collections
from voxome.relay.dialects.volume_files import VolumeFilesDialect
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.sources import Sources
from voxome.relay.threads import RequestThreads

BOX = Box((0, 0, 0), (60, 64, 64))
CHUNK = "/precomputed/em/0/0-64_0-64_0-60"
LAB = frozenset({"lab"})
CACHED = Caching(enabled=True)


class Threads:
    """Names of the handlers that have run in threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.handlers: list[str] = []
        run = RequestThreads.run

        async def counted(threads: RequestThreads, function: Callable[..., Any], *arguments: object) -> Any:
            self.handlers.append(function.__name__)
            return await run(threads, function, *arguments)

        monkeypatch.setattr(RequestThreads, "run", counted)

    def of(self, action: Callable[[], httpx.Response]) -> list[str]:
        """Return the handlers that a request needs."""
        self.handlers.clear()
        action()
        return list(self.handlers)


class Served:
    """A relay of the source ``em``, and a client."""

    def __init__(self, stack: ExitStack, rights: Rights = PUBLIC_READ, caching: Caching = CACHED) -> None:
        self.store, self.collections = Store(), Collections()
        self.cache = stack.enter_context(closing(open_cache()))
        self.sources = Sources(self.cache)
        self.sources.add("em", self.store, rights, caching)
        members = {"ann": "lab", "bob": None}
        url = stack.enter_context(
            serving(self.sources, ["precomputed", "zarr", "zarr3"], members=members, collections=self.collections)
        )
        self.client = stack.enter_context(httpx.Client(base_url=url))

    def get(self, path: str = CHUNK, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def voxels(self) -> np.ndarray:
        content = self.get().raise_for_status().content
        return np.frombuffer(content, "uint8").reshape(BOX.shape)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


class Clock:
    """The time of `time.monotonic`, which a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s, real = 0.0, time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: real() + self.ahead_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    return Threads(monkeypatch)


@pytest.mark.parametrize("path", [CHUNK, "/zarr/em/0/0/0/0", "/zarr3/em/0/c/0/0/0"])
def test_a_chunk_in_memory_needs_no_thread_and_has_the_same_answer(
    stack: ExitStack, threads: Threads, path: str
) -> None:
    served = Served(stack)
    first = served.get(path)
    assert first.status_code == 200
    assert threads.of(lambda: served.get(path)) == []
    again = served.get(path)
    assert (again.status_code, again.content) == (200, first.content)
    changing = {"date", "cache-status"}
    assert {k: v for k, v in again.headers.items() if k not in changing} == {
        k: v for k, v in first.headers.items() if k not in changing
    }
    assert (first.headers["cache-status"], again.headers["cache-status"]) == ("voxome; fwd=miss; stored", "voxome; hit")


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=5-9"},
        {"Range": "bytes=9999999-"},
        {"If-None-Match": "ETAG"},
        {"If-None-Match": '"other"'},
        {"If-Match": '"other"'},
        {"Range": "bytes=5-9", "If-Range": "ETAG"},
        {"Range": "bytes=5-9", "If-Range": '"other"'},
    ],
)
def test_conditions_and_ranges_are_those_of_the_ordinary_answer(
    stack: ExitStack, threads: Threads, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    served = Served(stack)
    etag = served.get().headers["etag"]
    headers = {name: value.replace("ETAG", etag) for name, value in headers.items()}

    def request() -> httpx.Response:
        return served.get(**headers)

    assert threads.of(request) == []
    kept = request()
    monkeypatch.setattr(VolumeFilesDialect, "ready", _never_ready)
    ordinary = request()
    assert (kept.status_code, kept.content) == (ordinary.status_code, ordinary.content)
    assert {**kept.headers, "date": ""} == {**ordinary.headers, "date": ""}


async def _never_ready(dialect: VolumeFilesDialect, request: object) -> None:
    return None


def test_a_body_is_refused_as_always(stack: ExitStack) -> None:
    served = Served(stack)
    served.get()
    assert served.client.request("GET", CHUNK, content=b"body").status_code == 413


def test_a_write_is_sent_at_once(stack: ExitStack) -> None:
    served = Served(stack, Rights(writers=LAB))
    served.voxels()
    for value in (7, 9):
        served.sources.write("em", BOX, np.full(BOX.shape, value, "uint8"))
        assert_array_equal(served.voxels(), np.full(BOX.shape, value))
        assert_array_equal(served.voxels(), np.full(BOX.shape, value))


def test_a_source_that_was_replaced_is_sent_once_it_is_checked(
    stack: ExitStack, threads: Threads, clock: Clock
) -> None:
    served = Served(stack)
    served.voxels()
    served.store.voxels, served.store.token = np.full(SHAPE, 3, "uint8"), "second"
    assert threads.of(served.get) == []
    clock.ahead_s += CACHED.ttl_s
    assert_array_equal(served.voxels(), np.full(BOX.shape, 3))


def test_a_source_whose_check_is_due_takes_the_ordinary_way(stack: ExitStack, threads: Threads, clock: Clock) -> None:
    served = Served(stack)
    served.get()
    clock.ahead_s += CACHED.ttl_s
    assert threads.of(served.get) == ["_answer"]


@pytest.mark.slow
def test_only_callers_with_the_right_get_a_chunk_in_memory(stack: ExitStack, threads: Threads) -> None:
    served = Served(stack, Rights(readers=LAB))
    for _ in range(2):
        found = served.get(**as_user("ann"))
        assert (found.status_code, found.headers["cache-control"]) == (200, "private, no-cache")
        assert "Authorization" in found.headers["vary"]
        assert served.get().status_code == 401
        assert served.get(**as_user("bob")).status_code == 403
        assert served.get(**as_user("nobody")).status_code == 401
    assert threads.of(lambda: served.get(**as_user("ann"))) == ["header_caller"]


def test_reads_of_chunks_in_memory_are_counted(stack: ExitStack, threads: Threads) -> None:
    served = Served(stack)
    served.get()
    before = {name: served.sources.counters("em")[name] for name in ("memory_hits", "read_bytes")}
    assert threads.of(served.get) == []
    assert served.sources.counters("em")["memory_hits"] == before["memory_hits"] + 1
    assert served.sources.counters("em")["read_bytes"] == before["read_bytes"] + BOX.size


def test_a_longer_name_that_is_served_later_has_its_own_chunks(stack: ExitStack) -> None:
    served = Served(stack)
    path = "/zarr/em/0/0/0/0"
    served.get(path)
    served.sources.add("em/0", stored(np.full((300, 300), 7, "uint8"), axes="yx"))
    assert set(served.get(path).content) == {7}


def test_a_collection_of_annotations_is_looked_at_before(stack: ExitStack, tmp_path: Path) -> None:
    served = Served(stack)
    served.get()
    served.collections.add("em", f"precomputed://{tmp_path}/none")
    assert served.get().status_code == 503


def test_writes_that_the_store_may_not_have_are_read_the_ordinary_way(
    stack: ExitStack, threads: Threads, tmp_path: Path
) -> None:
    cache = stack.enter_context(closing(open_cache()))
    sources = stack.enter_context(journaled(tmp_path, Store(), cache, flush=False))
    client = stack.enter_context(httpx.Client(base_url=stack.enter_context(serving(sources, ["precomputed"]))))
    client.get(CHUNK)
    assert threads.of(lambda: client.get(CHUNK)) == ["_answer"]
    sources.write("em", BOX, np.full(BOX.shape, 5, "uint8"))
    assert set(client.get(CHUNK).content) == {5}


def test_a_chunk_that_another_grid_divides_is_not_kept(stack: ExitStack) -> None:
    served = Served(stack)
    voxels = served.sources.read("em", BOX)
    kept = served.sources.kept_files
    answer: Any = None
    kept.keep("part", "em", 0, Box((0, 0, 0), (60, 64, 32)), voxels[:, :, :32], answer, b"")
    kept.keep("copy", "em", 0, BOX, voxels.copy(), answer, b"")
    assert "part" not in kept
    assert "copy" not in kept
