"""Boxes that share chunks, or inner chunks of one shard, written at the same time by many clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import open_cache
from relay.writes.journals import LAB, MIB, wait_until, waiting

import voxome
from voxome.geometry import Box
from voxome.relay.box_locks import SharedBoxLocks
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.index import DiskIndex
from voxome.relay.caching import Caching
from voxome.relay.sources import Sources
from voxome.relay.writes.flusher import Flusher
from voxome.relay.writes.journal import Journal
from voxome.testing.strategies import noise

SHAPE, EDGE = (64, 64, 128), 25
FORMATS = {"chunks": {"chunk": (64, 64, 64)}, "shards": {"chunk": (16, 16, 16), "encoding": {"shard": (64, 64, 64)}}}

pytestmark = pytest.mark.slow


def processes(folder: Path, uri: str, count: int, stack: ExitStack, *, write_back: bool) -> list[Sources]:
    """Return sources as the processes of one relay have them."""
    (folder / "cache").mkdir()
    DiskIndex(folder / "cache" / "index.sqlite").close()
    made = []
    for _ in range(count):
        cache = stack.enter_context(closing(open_cache(folder / "cache")))
        process = cache.generations.process
        assert isinstance(cache.generations, Generations)
        journal = stack.enter_context(closing(Journal(folder / "cache" / "writes", 64 * MIB, process)))
        boxes, entering = SharedBoxLocks(folder / "cache" / "boxes"), SharedBoxLocks(journal.folder / "boxes")
        sources = Sources(cache, boxes, journal, entering)
        sources.add("em", uri, LAB, Caching(True), write_back=write_back)
        flusher = Flusher(journal, journal.folder / "flusher.lock", sources.replay())
        stack.callback(flusher.close)
        flusher.start()
        made.append(sources)
    return made


@pytest.mark.parametrize("write_back", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_no_write_and_no_voxel_around_it_is_lost(tmp_path: Path, format: str, write_back: bool) -> None:
    uri, data = f"zarr://{tmp_path}/a.zarr", noise(SHAPE, "uint16")
    spec = voxome.VolumeSpec.of(SHAPE, "uint16", **FORMATS[format])
    voxome.create(uri, spec)[...] = data
    starts = [(z, y, x) for z in range(1, 39, EDGE) for y in range(2, 39, EDGE) for x in range(3, 103, EDGE)]
    boxes = [Box(start, tuple(a + EDGE for a in start)) for start in starts]
    expected = data.copy()
    for value, box in enumerate(boxes, 1):
        expected[box.within(Box.of_shape(SHAPE))] = value
    with ExitStack() as stack, ThreadPoolExecutor(16) as pool:
        relay = processes(tmp_path, uri, 4, stack, write_back=write_back)
        for sources in relay:
            sources.read("em", Box.of_shape(SHAPE))

        def write(job: tuple[int, Box]) -> None:
            value, box = job
            relay[value % 4].write("em", box, np.full(box.shape, value, "uint16"))
            for sources in relay:
                assert (sources.read("em", box) == value).all()

        list(pool.map(write, enumerate(boxes, 1)))
        for sources in relay:
            assert_array_equal(sources.read("em", Box.of_shape(SHAPE)), expected)
        wait_until(lambda: not waiting(relay[0]))
        for sources in relay:
            assert_array_equal(sources.read("em", Box.of_shape(SHAPE)), expected)
    assert_array_equal(voxome.open(uri, expect=voxome.Volume)[...], expected)
