"""Relays in a row: loops are refused, chains work, and what one has is not fetched again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from peers.process import free_port
from relay.cache.caches import open_cache
from relay.serving import serving, stored
from standins.faulty_proxy import FaultyProxy

import voxome
from voxome.relay.accounts import Accounts
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.relay import Relay
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.storage.hops import HEADER
from voxome.testing.strategies import noise

DATA = noise((64, 64, 64), "uint8")
BOX = "box=0:64,0:64,0:64"


@contextmanager
def relay_at(port: int, name: str, uri: str, memory: int = 2**24) -> Iterator[str]:
    """A relay at a port, or at a free one if that is 0, with the dialects zarr, precomputed and raw and a cache."""
    with closing(open_cache(memory=memory)) as cache:
        sources, catalogue = Sources(cache), MemoryCatalogue()
        sources.add(name, uri)
        relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources)
        with in_thread(create_app(open_dialects(relay, ["zarr", "precomputed", "raw"])), port=port) as url:
            yield url


@pytest.mark.parametrize("format", ["zarr", "precomputed"])
def test_a_relay_that_reads_from_itself_says_so(format: str) -> None:
    port = free_port()
    with (
        FaultyProxy(f"http://127.0.0.1:{port}") as proxy,
        relay_at(port, "em", f"{format}://{proxy.url}/{format}/em") as url,
    ):
        begin = time.monotonic()
        answer = httpx.get(f"{url}/raw/em/info", timeout=100)
    assert answer.status_code == 508
    assert "check the URIs" in answer.json()["message"]
    assert len(proxy.seen) <= 2
    assert time.monotonic() - begin < 50


@pytest.mark.slow
def test_two_relays_that_read_from_each_other_say_so() -> None:
    first, second = free_port(), free_port()
    with ExitStack() as stack:
        to_first = stack.enter_context(FaultyProxy(f"http://127.0.0.1:{first}"))
        to_second = stack.enter_context(FaultyProxy(f"http://127.0.0.1:{second}"))
        url = stack.enter_context(relay_at(first, "a", f"zarr://{to_second.url}/zarr/b"))
        stack.enter_context(relay_at(second, "b", f"zarr://{to_first.url}/zarr/a"))
        for _ in range(2):
            before = len(to_first.seen) + len(to_second.seen)
            answer = httpx.get(f"{url}/raw/a/info", timeout=30)
            assert answer.status_code == 508
            assert len(to_first.seen) + len(to_second.seen) - before <= 4
            answer = httpx.get(f"{url}/zarr/a/.zarray", timeout=30)
            assert answer.status_code == 508


@pytest.mark.slow
@pytest.mark.parametrize("format", ["zarr", "precomputed"])
def test_five_relays_in_a_row_give_the_same_voxels(format: str) -> None:
    with ExitStack() as stack:
        uri = stored(DATA, chunk=(64, 64, 64), voxel_size_nm=(4, 4, 4))
        for number in range(5):
            url = stack.enter_context(relay_at(0, "em", uri))
            url = stack.enter_context(FaultyProxy(url)).url if number in (1, 3) else url
            uri = f"{format}://{url}/{format}/em" + ("/0" if format == "zarr" else "")
        assert_array_equal(np.asarray(voxome.open(uri)[...]).reshape(DATA.shape), DATA)
        headers = {"X-Forwarded-For": ", ".join(["10.0.0.1"] * 40), HEADER: "another program's, value"}
        assert httpx.get(f"{url}/raw/em/cutout?{BOX}", headers=headers, timeout=30).status_code == 200


def test_too_many_relays_in_a_row_are_refused() -> None:
    sources = Sources()
    sources.add("em", stored(DATA))
    with serving(sources, ["raw"]) as url:
        for count, status in ((15, 200), (16, 508)):
            hops = ", ".join(f"{number:08x}" for number in range(count))
            assert httpx.get(f"{url}/raw/em/info", headers={HEADER: hops}).status_code == status
        answer = httpx.get(f"{url}/s3/zarr/em/.zarray", headers={HEADER: hops})
        assert (answer.status_code, "<Code>ServiceUnavailable</Code>" in answer.text) == (508, True)


@pytest.mark.slow
def test_the_second_read_through_three_relays_fetches_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        uri = stored(DATA, chunk=(32, 32, 32), voxel_size_nm=(4, 4, 4))
        sources = Sources()
        sources.add("em", uri)
        proxy = stack.enter_context(FaultyProxy(stack.enter_context(serving(sources, ["zarr"]))))
        url = proxy.url
        for _ in range(3):
            url = stack.enter_context(relay_at(0, "em", f"zarr://{url}/zarr/em/0"))
        answers = []
        for _ in range(2):
            answers.append(httpx.get(f"{url}/raw/em/cutout?{BOX}", timeout=30))
            seen = len(proxy.seen)
            proxy.seen.clear()
        assert seen == 0
        assert answers[0].content == answers[1].content
        assert answers[0].headers["cache-status"] == "voxome; fwd=miss; stored"
        assert answers[1].headers["cache-status"] == "voxome; hit"
