"""Requests that wait for a computation keep no others from being answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Annotated, Any

import httpx
import numpy as np
from numpy.typing import NDArray
from relay.cache.caches import open_cache
from relay.serving import serving, stored
from relay.virtual.tools import installed

from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.relay.sources import Sources
from voxome.relay.virtual.recipe import Recipe
from voxome.testing.strategies import noise

DATA = noise((64, 64, 64), "uint8")
CUTOUT = "cutout?box=0:64,0:64,0:64"
MANY = 40
"""More than there are threads for handlers."""


def test_many_may_wait_for_a_computation_while_others_are_answered() -> None:
    begun, ended = Event(), Event()

    @tool("lab.slow", outputs=kinds.Image("uint8"))
    def slow(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
        begun.set()
        ended.wait(100)
        return image

    with installed(slow):
        sources = Sources(open_cache())
        sources.add("em", stored(DATA))
        sources.add_virtual("slow", Recipe("lab.slow", {"": "em"}))
        limits = httpx.Limits(max_connections=None)
        with (
            serving(sources, ["raw", "zarr"]) as url,
            httpx.Client(base_url=url, timeout=60, limits=limits) as client,
            ThreadPoolExecutor(MANY) as pool,
        ):
            try:
                waiting = [pool.submit(client.get, f"/raw/slow/{CUTOUT}") for _ in range(MANY)]
                assert begun.wait(100)
                assert client.get(f"/raw/em/{CUTOUT}").status_code == 200
                assert client.get("/zarr/em/0/.zarray").status_code == 200
            finally:
                ended.set()
            answers = [one.result() for one in waiting]
    assert {one.status_code for one in answers} == {200}
    assert len({one.content for one in answers}) == 1
