"""A store that is replaced while it is read: no chunk mixes the old and the new one."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from peers.nginx import serving as nginx
from relay.cache.caches import open_cache
from relay.serving import serving
from standins.faulty_proxy import Alter, FaultyProxy

import voxome
from voxome.relay.caching import Caching
from voxome.relay.sources import Sources

pytestmark = pytest.mark.slow
SHAPE = (64, 64, 64)
OLD = np.random.default_rng(0).integers(0, 3, SHAPE, "uint64")
NEW = np.random.default_rng(1).integers(100, 50_000, SHAPE, "uint64")
"""It takes more bytes when compressed, so that no chunk begins where one of the old did."""
FORMATS = {
    "zarr": ({"format": "zarr3"}, r"/c/0/0/0"),
    "precomputed": ({"codec": "compressed_segmentation"}, r"\.shard"),
}
"""Scheme → encoding, and the requests for its only shard."""


def build(folder: Path, scheme: str, voxels: NDArray[np.uint64], chunk: int = 32) -> None:
    """Put a store in place of another at once."""
    new, old = folder.with_name("new"), folder.with_name("old")
    spec = voxome.VolumeSpec.of(SHAPE, "uint64", chunk=(chunk,) * 3, kind="labels", encoding=FORMATS[scheme][0])
    voxome.create(f"{scheme}://{new}", spec.replace(write_chunk=SHAPE))[:] = voxels
    if folder.exists():
        for file in new.rglob("*"):
            os.utime(file, (2_000_000_000, 2_000_000_000))
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def read(url: str, box: str) -> NDArray[np.uint64] | None:
    answer = httpx.get(f"{url}/raw/em/cutout?box={box}", timeout=60)
    if answer.status_code == 503:
        return None
    assert answer.status_code == 200
    return np.load(io.BytesIO(answer.content))


@contextmanager
def relay(tmp_path: Path, scheme: str, ttl_s: float = 600) -> Iterator[tuple[str, FaultyProxy, Callable[..., None]]]:
    """Yield a relay of a store behind a proxy, and the function that replaces the store."""
    folder = tmp_path / "em"
    build(folder, scheme, OLD)
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultyProxy(stack.enter_context(nginx(tmp_path))))
        sources = Sources(stack.enter_context(closing(open_cache(memory=2**26))))
        sources.add("em", f"{scheme}://{proxy.url}/em", caching=Caching(ttl_s=ttl_s, prefetch=False))
        yield stack.enter_context(serving(sources, ["raw"])), proxy, partial(build, folder, scheme, NEW)


def is_one_of(found: NDArray[np.uint64] | None, *expected: NDArray[np.uint64]) -> bool:
    return found is None or any(np.array_equal(found, one) for one in expected)


@pytest.mark.parametrize("scheme", FORMATS)
def test_a_shard_that_is_replaced_between_its_ranges_is_read_again(tmp_path: Path, scheme: str) -> None:
    with relay(tmp_path, scheme) as (url, proxy, rebuild):
        read(url, "0:1,0:1,0:1")
        before = len(proxy.seen)

        def replace(body: bytes) -> bytes:
            rebuild()
            return body

        proxy.script(FORMATS[scheme][1], Alter(replace))
        found = read(url, "0:32,32:64,0:32")
        assert len(proxy.seen) > before
        assert is_one_of(found, OLD[:32, 32:, :32], NEW[:32, 32:, :32])
        assert_array_equal(read(url, "32:64,0:32,0:32"), NEW[32:, :32, :32])


@pytest.mark.parametrize("chunk", [32, 16])
@pytest.mark.parametrize("scheme", FORMATS)
def test_reads_of_a_shard_that_was_replaced_are_of_the_old_or_the_new(tmp_path: Path, scheme: str, chunk: int) -> None:
    with relay(tmp_path, scheme, ttl_s=2) as (url, _, rebuild):
        assert_array_equal(read(url, "0:32,0:32,0:32"), OLD[:32, :32, :32])
        rebuild(chunk=chunk)
        for box, part in [("0:32,0:32,32:64", np.s_[:32, :32, 32:]), ("32:64,32:64,0:32", np.s_[32:, 32:, :32])]:
            assert is_one_of(read(url, box), OLD[part], NEW[part])
        time.sleep(2.5)
        read(url, "0:1,0:1,0:1")
        assert_array_equal(read(url, "0:64,0:64,0:64"), NEW)
