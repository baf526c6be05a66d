"""Decompression with a limit."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import numpy as np
import pytest

from voxome.remotes.inflate import inflate

GZIP = 31


def test_what_was_compressed_comes_back() -> None:
    for plain in (b"", b"voxels", bytes(1 << 24), np.random.default_rng(1).bytes(1 << 16)):
        assert inflate(gzip.compress(plain), GZIP) == plain


def test_data_that_would_fill_the_memory_are_refused_before_they_do() -> None:
    small = gzip.compress(bytes(1 << 28), 1)
    tracemalloc.start()
    try:
        with pytest.raises(zlib.error, match="are more than 67,108,864 bytes when decompressed"):
            inflate(small, GZIP)
        assert tracemalloc.get_traced_memory()[1] < 2 << 27
    finally:
        tracemalloc.stop()


def test_data_that_end_early_are_refused() -> None:
    with pytest.raises(zlib.error, match="truncated"):
        inflate(gzip.compress(b"voxels")[:-5], GZIP)
