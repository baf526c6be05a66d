"""Trouble of a store is status 503 in every dialect, never a hole, and nothing of it is kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import httpx
import numpy as np
import pytest
from relay.cache.caches import open_cache
from relay.serving import serving, stored
from standins.faulty_proxy import Alter, Answer, Cut, FaultyProxy, Stall

import voxome
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.caching import Caching
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

DATA = noise((128, 64, 64), "uint8")
CHUNK = r"em/0/1/0/0"
URLS = {
    "raw": "/raw/col/exp/em/cutout?box=0:128,0:64,0:64",
    "zarr": "/zarr/col/exp/em/0/1/0/0",
    "zarr3": "/zarr3/col/exp/em/0/c/1/0/0",
    "precomputed": "/precomputed/col/exp/em/0/0-64_0-64_64-128",
    "boss": "/v1/cutout/col/exp/em/0/0:64/0:64/0:128",
}
FAULTS = {
    "reset": Cut(), "short": Cut(after=1000), "stalled": Stall(), "stalled later": Stall(after=1000),
    "500": Answer(500), "502": Answer(502), "503": Answer(503), "429": Answer(429), "403": Answer(403),
    "short body": Alter(lambda body: body[:1000]), "empty body": Alter(lambda body: b""),
    "long body": Alter(lambda body: body + b"more"), "page": Answer(200, b"<html>Please sign in</html>"),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Give up at once, also if some bytes have arrived: their number is averaged over several seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES", "10000")
        voxome.configure(retries=0, stall_s=1)
        yield
        voxome.configure(retries=None, stall_s=None)


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    """A store behind a proxy that fails on demand."""
    sources = Sources()
    sources.add("em", stored(DATA, chunk=(64, 64, 64), voxel_size_nm=(4, 4, 4)))
    with serving(sources, ["zarr"]) as url, FaultyProxy(url) as one:
        yield one


@pytest.fixture
def relay(proxy: FaultyProxy) -> Iterator[tuple[str, ChunkCache]]:
    """A relay of that store, with an empty cache."""
    proxy.reset()
    with closing(open_cache()) as cache:
        sources = Sources(cache)
        sources.add("col/exp/em", f"zarr://{proxy.url}/zarr/em/0", caching=Caching(True))
        with serving(sources, list(URLS)) as url:
            assert httpx.get(f"{url}/raw/col/exp/em/info").status_code == 200
            yield url, cache


@pytest.mark.slow
@pytest.mark.parametrize("dialect", URLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_trouble_is_503_and_the_next_request_is_whole(
    fault: str, dialect: str, relay: tuple[str, ChunkCache], proxy: FaultyProxy
) -> None:
    url, cache = relay
    proxy.chance(1.0, FAULTS[fault], seed=0, target=CHUNK)
    answer = httpx.get(url + URLS[dialect], timeout=60)
    assert answer.status_code == 503, answer.content[:200]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-status"] == "voxome; fwd=miss"
    assert answer.headers["content-type"].startswith(("application/json", "application/xml"))
    assert proxy.url not in answer.text
    before = cache.memory.nbytes
    assert before <= 64**3
    proxy.reset()
    answer = httpx.get(url + URLS[dialect], timeout=60)
    assert answer.status_code == 200
    assert "fwd=" in answer.headers["cache-status"]
    read = np.load(io.BytesIO(httpx.get(url + URLS["raw"]).content))
    np.testing.assert_array_equal(read, DATA)


@pytest.mark.slow
def test_a_chunk_that_the_store_does_not_have_is_fill(relay: tuple[str, ChunkCache], proxy: FaultyProxy) -> None:
    url, _ = relay
    proxy.chance(1.0, Answer(404), seed=0, target=CHUNK)
    read = np.load(io.BytesIO(httpx.get(url + URLS["raw"]).content))
    assert not read[64:].any()
    assert read[:64].any()
