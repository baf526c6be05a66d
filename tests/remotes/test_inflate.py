"""Decompression with a limit."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest

from voxome.remotes.inflate import inflate

GZIP = 31


def test_what_was_compressed_comes_back() -> None:
    for plain in (b"", b"voxels", bytes(1 << 24), np.random.default_rng(1).bytes(1 << 16)):
        assert inflate(gzip.compress(plain), GZIP) == plain


def test_data_that_would_fill_the_memory_are_refused() -> None:
    small = gzip.compress(bytes(1 << 27))
    with pytest.raises(zlib.error, match="are more than 67,108,864 bytes when decompressed"):
        inflate(small, GZIP)


def test_data_that_end_early_are_refused() -> None:
    with pytest.raises(zlib.error, match="truncated"):
        inflate(gzip.compress(b"voxels")[:-5], GZIP)
