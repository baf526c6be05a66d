"""The cache folder on a disk that is really full, or read-only: reads are right, and no write is confirmed and lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import open_cache
from relay.writes.journals import LAB, MIB, Upstream, flushing, wait_until, waiting

import voxome
from voxome.geometry import Box
from voxome.relay.caching import Caching
from voxome.relay.source_errors import StorageFull
from voxome.relay.sources import Sources
from voxome.relay.writes.journal import Journal, recover
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

SHAPE, DISK_MIB = (128, 256, 256), 6
WHOLE = Box.of_shape(SHAPE)
SLAB = (4, 256, 256)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def read_only(disk: Path, on: bool) -> bool:
    """Make the file system read-only, or writable again; return whether that was possible."""
    command = ["mount", "-o", f"remount,{'ro' if on else 'rw'}", str(disk)]
    return subprocess.run(command, capture_output=True).returncode == 0


def slab(number: int) -> Box:
    return Box.of_shape(SLAB, (4 * number, 0, 0))


@contextmanager
def relay(disk: Path, store: Upstream | str) -> Iterator[Sources]:
    """A relay whose budgets are far larger than its disk."""
    recover(disk / "writes")
    with ExitStack() as stack:
        cache = stack.enter_context(closing(open_cache(disk, memory=0, disk=2**30)))
        assert cache.disk is not None
        process, make_room = cache.generations.process, cache.disk.make_room
        journal = stack.enter_context(closing(Journal(disk / "writes", 2**30, process, make_room)))
        sources = Sources(cache, journal=journal)
        sources.add("em", store, LAB, Caching(True), write_back=True)
        yield sources


def test_reads_are_right_while_the_disk_is_full(disk: Path) -> None:
    store = Upstream(noise(SHAPE, "uint8"))
    with relay(disk, store) as sources, ThreadPoolExecutor(8) as pool:
        for read in pool.map(lambda _: sources.read("em", WHOLE), range(8)):
            assert_array_equal(read, store.voxels)
        assert shutil.disk_usage(disk).free < MIB
        assert not list(disk.glob("chunks/*/*.part"))


def test_what_is_confirmed_before_the_disk_is_full_survives_and_the_rest_is_refused(disk: Path) -> None:
    uri = f"zarr://{disk.parent}/a.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8"))
    expected, refused = np.zeros(SHAPE, "uint8"), 0
    with relay(disk, uri) as sources:
        for number in range(32):
            box = slab(number)
            try:
                sources.write("em", box, np.full(SLAB, number + 1, "uint8"))
            except StorageFull:
                refused += 1
            else:
                expected[box.within(WHOLE)] = number + 1
            assert_array_equal(sources.read("em", WHOLE), expected)
        assert 5 < refused < 32
    with relay(disk, uri) as sources:  # also after it was killed: nothing of it is in memory
        assert_array_equal(sources.read("em", WHOLE), expected)
        with flushing(disk, sources):
            wait_until(lambda: not waiting(sources))
        sources.write("em", slab(31), np.full(SLAB, 99, "uint8"))
        expected[slab(31).within(WHOLE)] = 99
        assert_array_equal(sources.read("em", WHOLE), expected)
        with flushing(disk, sources):
            wait_until(lambda: not waiting(sources))
    assert_array_equal(voxome.open(uri, expect=voxome.Volume)[...], expected)


def test_reads_are_right_and_writes_refused_while_the_disk_is_read_only(disk: Path) -> None:
    store = Upstream(noise(SHAPE, "uint8"))
    with relay(disk, store) as sources:
        sources.write("em", slab(0), np.full(SLAB, 1, "uint8"))
        expected = store.voxels.copy()
        expected[0:4] = 1
        if not read_only(disk, True):
            pytest.skip("open files keep the file system writable")
        try:
            with pytest.raises(StorageFull):
                sources.write("em", slab(1), np.full(SLAB, 2, "uint8"))
            assert_array_equal(sources.read("em", WHOLE), expected)
        finally:
            assert read_only(disk, False)
        sources.write("em", slab(1), np.full(SLAB, 2, "uint8"))
        assert (sources.read("em", slab(1)) == 2).all()
