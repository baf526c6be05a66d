"""Conditional writes that are written back: they read the store before they enter the journal."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from relay.cache.caches import EDGE, Store, open_cache
from relay.serving import serving

from voxome.relay.accounts import PUBLIC
from voxome.relay.box_locks import SharedBoxLocks
from voxome.relay.caching import Caching
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.writes.journal import Journal

pytestmark = pytest.mark.slow

EVERYBODY = Rights(frozenset({PUBLIC}), frozenset({PUBLIC}))
CLIENTS = 24
"""More than there are slots for requests."""


def same_chunk(number: int) -> tuple[int, ...]:
    return (0, 0, 0)


def own_chunk(number: int) -> tuple[int, ...]:
    return next(itertools.islice(itertools.product(range(2), range(3), range(4)), number, None))


@pytest.mark.parametrize("chunk_of", [same_chunk, own_chunk])
def test_clients_that_write_on_a_condition_do_not_wait_for_each_other_for_ever(
    tmp_path: Path, chunk_of: Callable[[int], tuple[int, ...]]
) -> None:
    store = Store(np.zeros((2 * EDGE, 3 * EDGE, 4 * EDGE), "uint8"))
    store.before_read = lambda: time.sleep(0.05)
    journal, limits = Journal(tmp_path / "writes", 10**8, 0), httpx.Limits(max_connections=None)
    with closing(open_cache()) as cache, closing(journal):
        entering = SharedBoxLocks(tmp_path / "writes" / "boxes")
        sources = Sources(cache, SharedBoxLocks(tmp_path / "boxes"), journal, entering)
        sources.add("em", store, EVERYBODY, Caching(enabled=True), write_back=True)
        with serving(sources, ["zarr", "raw"]) as url, httpx.Client(timeout=20, limits=limits) as client:
            separator = client.get(f"{url}/zarr/em/0/.zarray").json().get("dimension_separator", ".")
            chunks = [f"{url}/zarr/em/0/{separator.join(map(str, chunk_of(one)))}" for one in range(CLIENTS)]

            def put(chunk: str) -> int:
                answer = client.put(chunk, content=bytes(EDGE**3), headers={"If-None-Match": "*"})
                return answer.status_code

            with ThreadPoolExecutor(CLIENTS) as pool:
                statuses = list(pool.map(put, chunks))
            assert set(statuses) == {412}  # all chunks of a volume exist
            assert client.get(f"{url}/raw").status_code == 200
