"""A cache that is killed while it is filled serves nothing that its store does not have."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from relay.cache.caches import open_cache

from voxome import VolumeSpec
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.grid import chunk_grid

pytestmark = pytest.mark.slow

SHAPE = (64, 64, 64 * 40)
KILLS = 20
FILLER = """
import sys
from pathlib import Path
from test_kill import array, fill
from relay.cache.caches import open_cache

print("begun", flush=True)
fill(open_cache(Path(sys.argv[1]), memory=0, disk=2**22), array())
"""


def voxels_of(box: Box) -> np.ndarray:
    """Return voxels that are all different from those of every other chunk, and from 0."""
    z, y, x = np.ogrid[tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))]
    return ((x // 64 * 7 + z * 3 + y) % 255 + 1).astype("uint8")


def array() -> CachedArray:
    spec = VolumeSpec.of(SHAPE, "uint8", chunk=(64, 64, 64))
    return CachedArray("source", "first", 0, chunk_grid(None, spec), spec.dtype, voxels_of)


def fill(cache, chunks: CachedArray) -> None:
    """Read all chunks again and again; the budget holds a third of them, so that files are removed too."""
    while True:
        for block in chunks.grid:
            cache.read(chunks, block.write)


def test_a_fill_that_is_killed_at_any_point_leaves_only_whole_chunks(tmp_path: Path) -> None:
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    filled: list[int] = []
    for number in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path += {paths!r}\n{FILLER}", tmp_path / "cache"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.02 + 0.013 * number)
        process.kill()
        process.communicate()
        reads: list[Box] = []

        def read(box: Box, reads: list[Box] = reads) -> np.ndarray:
            reads.append(box)
            return voxels_of(box)

        with closing(open_cache(tmp_path / "cache", memory=0, disk=2**22)) as cache:
            assert cache.disk is not None
            chunks = array()
            for block in chunks.grid:
                found = cache.disk.get(chunks.key(block.index), chunks.dtype, block.write.shape)
                assert found is None or (found.voxels == voxels_of(block.write)).all()
            cache.disk._cleaner.join()
            files = [path for path in (tmp_path / "cache" / "chunks").glob("*/*") if path.is_file()]
            filled.append(len(files))
            assert cache.disk.nbytes == sum(path.stat().st_size for path in files) <= 2**22
    assert max(filled) > 5
