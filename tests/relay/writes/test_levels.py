"""Levels that are computed while the store does not have all writes have them nevertheless."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import open_cache
from relay.serving import as_user, serving
from relay.writes.journals import Upstream, flushing, journaled, wait_until, waiting

import voxome
from voxome.contracts.levels import Level
from voxome.contracts.spec import Scale
from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise
from voxome.tools.common.cells.methods import downsample_array

pytestmark = pytest.mark.slow

SHAPE, COARSE = (8, 64, 64), (8, 32, 32)
WHOLE = Box.of_shape(SHAPE)
PATH, LEVEL = "/v1/downsample/lab/exp/em", "/v1/cutout/lab/exp/em/1/0:32/0:32/0:8/"
CHUNKS = ("/zarr/lab/exp/em/1/0/0/0", "/zarr3/lab/exp/em/1/c/0/0/0", "/precomputed/lab/exp/em/1/0-32_0-32_0-8")


class Pyramid(Upstream):
    """A store with a level of half the resolution along y and x."""

    def __init__(self) -> None:
        super().__init__(noise(SHAPE, "uint8"))
        self.spec = voxome.VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=(40, 4, 4))
        self.coarse = Upstream(np.zeros(COARSE, "uint8"))
        self.coarse.spec = voxome.VolumeSpec.of(COARSE, "uint8", voxel_size_nm=(40, 8, 8), offset_nm=(0, 2, 2))

    @property
    def levels(self) -> Sequence[Level]:
        return Level(0, (1, 1, 1)), Level(1, (1, 2, 2))

    def level(self, number: int) -> Upstream:
        return self.coarse

    def create_level(self, scale: Scale) -> Upstream:
        raise NotImplementedError

    def fail(self, error: StoreError | None) -> None:
        self.error = self.coarse.error = error


class OwnPyramid(Pyramid):
    """A store that computes its coarser level itself, of what it has."""

    def downsample(self, *, wait: bool = True) -> str:
        if self.error is not None:
            raise self.error
        self.coarse.voxels[...] = halved(self.voxels)
        return "DOWNSAMPLED"


def halved(voxels: np.ndarray) -> np.ndarray:
    return downsample_array(voxels, WHOLE, (1, 2, 2), "mean")


@contextmanager
def relay(folder: Path, store: Pyramid) -> Iterator[tuple[httpx.Client, Sources]]:
    """Yield a client who may write, and the sources, none of whose writes is passed on."""
    names = ("boss", "zarr", "zarr3", "precomputed", "raw")
    with (
        closing(open_cache()) as cache,
        journaled(folder, store, cache, flush=False, name="lab/exp/em") as sources,
        serving(sources, names, members={"bob": "lab"}) as url,
        httpx.Client(base_url=url, headers=as_user("bob"), timeout=30) as client,
    ):
        yield client, sources


def check_level(client: httpx.Client, expected: np.ndarray) -> None:
    for path in CHUNKS:
        assert client.get(path).content == expected.tobytes(), path
    answer = client.get("/raw/lab/exp/em/cutout?level=1&box=0:8,0:32,0:32")
    assert answer.content.endswith(expected.tobytes())
    assert client.get(LEVEL, headers={"Accept": "application/npygz"}).status_code == 200


def status_of(client: httpx.Client) -> str:
    return str(client.get(PATH).json()["status"])


def test_a_level_that_the_relay_computes_while_the_store_is_away_is_read_in_all_dialects(tmp_path: Path) -> None:
    store = Pyramid()
    with relay(tmp_path, store) as (client, sources):
        expected = sources.read("lab/exp/em", WHOLE).copy()
        check_level(client, np.zeros(COARSE, "uint8"))
        store.fail(StoreError("away"))
        expected[:, :20, :20] = 200
        sources.write("lab/exp/em", Box((0, 0, 0), (8, 20, 20)), expected[:, :20, :20])
        assert status_of(client) == "NOT_DOWNSAMPLED"
        assert client.post(PATH).status_code == 201
        wait_until(lambda: status_of(client) == "DOWNSAMPLED")
        check_level(client, halved(expected))
        store.fail(None)
        with flushing(tmp_path, sources):
            wait_until(lambda: not waiting(sources))
        check_level(client, halved(expected))
        assert_array_equal(store.coarse.voxels, halved(expected))


def test_a_store_computes_its_levels_when_it_has_all_writes(tmp_path: Path) -> None:
    store = OwnPyramid()
    with relay(tmp_path, store) as (client, sources):
        expected = sources.read("lab/exp/em", WHOLE).copy()
        check_level(client, np.zeros(COARSE, "uint8"))
        expected[:] = 200
        sources.write("lab/exp/em", WHOLE, expected)
        assert client.post(PATH).status_code == 201
        time.sleep(1)
        assert status_of(client) == "IN_PROGRESS"
        assert not store.coarse.voxels.any()
        with flushing(tmp_path, sources):
            wait_until(lambda: status_of(client) == "DOWNSAMPLED")
        check_level(client, halved(expected))
