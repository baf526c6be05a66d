"""Virtual layers show writes that the store does not have yet, and writes of another process."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, WHOLE, open_cache
from relay.serving import stored
from relay.virtual.tools import installed
from relay.writes.journals import Upstream, flushing, journaled, wait_until, waiting
from scipy import ndimage

import voxome
from voxome.errors import StoreError
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.virtual.recipe import Recipe
from voxome.testing.strategies import noise

LAYERS = {
    "over": Recipe("common.threshold", {"": "em"}, {"at": 100}),
    "near": Recipe("lab.smooth", {"": "over"}, {"radius": 1}),
}


def add_layers(sources: Sources) -> None:
    for name, recipe in LAYERS.items():
        sources.add_virtual(name, recipe)


def check(sources: Sources, voxels: np.ndarray) -> None:
    over = np.where(voxels > 100, np.uint8(255), np.uint8(0))
    assert_array_equal(sources.read("over", WHOLE), over)
    assert_array_equal(sources.read("near", WHOLE), ndimage.maximum_filter(over, 3))
    assert_array_equal(sources.read("over;at=5", WHOLE) > 0, voxels > 5)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_a_write_in_the_journal_shows_before_and_after_the_store_has_it(tmp_path: Path, cached: bool) -> None:
    store, expected = Upstream(noise(SHAPE, "uint8")), noise(SHAPE, "uint8")
    with installed(), closing(open_cache()) as cache, journaled(tmp_path, store, cache, flush=False) as sources:
        add_layers(sources)
        check(sources, expected)
        store.error = StoreError("away") if cached else None
        for value in (255, 7, 101):
            expected[ONE.within(WHOLE)] = value
            sources.write("em", ONE, np.full(ONE.shape, value, "uint8"))
            check(sources, expected)
        store.error = None
        with flushing(tmp_path, sources):
            wait_until(lambda: not waiting(sources))
        check(sources, expected)
        assert_array_equal(store.voxels, expected)


def test_a_write_of_another_process_shows_in_variants_that_it_does_not_know(tmp_path: Path) -> None:
    uri, expected = stored(noise(SHAPE, "uint8")), noise(SHAPE, "uint8")
    with installed(), closing(open_cache(tmp_path / "cache")) as one, closing(open_cache(tmp_path / "cache")) as other:
        reading, writing = Sources(one), Sources(other)
        for sources in (reading, writing):
            sources.add("em", uri, Rights(writers=frozenset({"lab"})))
        add_layers(reading)
        check(reading, expected)
        expected[ONE.within(WHOLE)] = 255
        writing.write("em", ONE, np.full(ONE.shape, 255, "uint8"))
        check(reading, expected)


@pytest.mark.slow
def test_two_processes_and_a_restart_compute_a_chunk_once(tmp_path: Path) -> None:
    uri = stored(noise(SHAPE, "uint8"))
    misses = 0.0
    with installed():
        for _ in range(3):
            with closing(open_cache(tmp_path / "cache")) as cache:
                sources = Sources(cache)
                sources.add("em", uri)
                add_layers(sources)
                check(sources, noise(SHAPE, "uint8"))
                misses += sources.counters("near")["misses"]
    assert misses == 1


def test_an_edit_of_segments_shows_at_once(tmp_path: Path) -> None:
    labels = np.zeros((8, 8, 32), np.uint64)
    labels[..., :16], labels[..., 16:] = 11, 12
    spec = voxome.VolumeSpec.of(labels.shape, labels.dtype, voxel_size_nm=(10, 5, 5), kind="labels")
    volume = voxome.create(f"zarr://{tmp_path}/supervoxels.zarr", spec)
    volume[...] = labels
    session = voxome.proofread(volume, store=tmp_path / "edits.sqlite", author="zoe")
    with closing(open_cache()) as cache:
        sources = Sources(cache)
        sources.add("cells", f"proofread://{tmp_path}/edits.sqlite")
        sources.add_virtual("twelve", Recipe("common.threshold", {"": "cells"}, {"at": 11}))
        assert_array_equal(sources.read("twelve", spec.domain) > 0, labels > 11)
        before = sources.version("twelve")
        session.merge([11, 12])
        assert not sources.read("twelve", spec.domain).any()
        assert sources.version("twelve") != before
