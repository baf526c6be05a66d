"""Cutouts that may not come from the cache are read from the store, with writes that it does not have yet."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from numcodecs import blosc
from relay.cache.caches import open_cache
from relay.serving import serving
from relay.writes.journals import Upstream, journaled

import voxome
from voxome.geometry import Box

pytestmark = pytest.mark.slow

SHAPE = (8, 16, 16)
PATH = "/v1/cutout/lab/exp/em/0/0:16/0:16/0:8/"


def read(url: str, query: str = "") -> np.ndarray:
    answer = httpx.get(f"{url}{PATH}{query}", headers={"Accept": "application/blosc"})
    assert answer.status_code == 200, answer.text
    return np.frombuffer(blosc.decompress(answer.content), "uint8").reshape(SHAPE)


@pytest.mark.parametrize("query", ["?access-mode=raw", "?access-mode=no-cache", "?no-cache=true"])
def test_what_may_not_be_cached_is_read_from_the_store_and_has_all_writes(tmp_path: Path, query: str) -> None:
    store = Upstream(np.full(SHAPE, 1, "uint8"))
    store.spec = voxome.VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=(40, 4, 4))
    with (
        closing(open_cache()) as cache,
        journaled(tmp_path, store, cache, flush=False, name="lab/exp/em") as sources,
        serving(sources, ["boss"]) as url,
    ):
        assert (read(url) == 1).all()
        sources.write("lab/exp/em", Box((0, 0, 0), (1, 16, 16)), np.full((1, 16, 16), 9, "uint8"))
        store.voxels[...] = 2  # by others: the cache finds it after `ttl_s`
        count = len(store.boxes)
        for other in ("", "?access-mode=cache", "?no-cache=false"):
            found = read(url, other)
            assert ((found[0] == 9).all(), (found[1:] == 1).all()) == (True, True)
        assert len(store.boxes) == count
        found = read(url, query)
        assert ((found[0] == 9).all(), (found[1:] == 2).all()) == (True, True)
        assert (read(url)[1:] == 1).all()
