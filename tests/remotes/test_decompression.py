"""Decompression with a limit."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

import imagecodecs
import numcodecs
import numpy as np
import pytest

from voxome.remotes.decompression import SUFFIXES, decode_snappy, decompress, decompress_file, inflate

GZIP = 31


@pytest.mark.slow
def test_what_was_compressed_comes_back() -> None:
    for plain in (b"", b"voxels", bytes(1 << 24), np.random.default_rng(1).bytes(1 << 16)):
        assert inflate(gzip.compress(plain), GZIP) == plain


@pytest.mark.slow
def test_data_that_would_fill_the_memory_are_refused() -> None:
    small = gzip.compress(bytes(1 << 27))
    with pytest.raises(zlib.error, match="are more than 67,108,864 bytes when decompressed"):
        inflate(small, GZIP)


def test_data_that_end_early_are_refused() -> None:
    with pytest.raises(zlib.error, match="truncated"):
        inflate(gzip.compress(b"voxels")[:-5], GZIP)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".br": lambda data: bytes(imagecodecs.brotli_encode(data)),
    ".zstd": lambda data: bytes(imagecodecs.zstd_encode(data)),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


def test_every_suffix_is_tested() -> None:
    assert set(COMPRESS) == set(SUFFIXES)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_files_of_every_suffix_come_back(suffix: str) -> None:
    for plain in (b"", b"voxels", bytes(1 << 22), np.random.default_rng(1).bytes(1 << 16)):
        assert decompress_file(suffix, COMPRESS[suffix](plain)) == plain


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
def test_files_of_several_streams_come_back(suffix: str) -> None:
    assert decompress_file(suffix, COMPRESS[suffix](b"vox") + COMPRESS[suffix](b"els")) == b"voxels"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", COMPRESS)
def test_files_of_every_suffix_that_would_fill_the_memory_are_refused(
    suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxome.remotes.decompression._LEAST", 1 << 16)
    large = COMPRESS[suffix](bytes(1 << 25))
    assert decompress_file(suffix, large, most=1 << 25) == bytes(1 << 25)
    with pytest.raises(ValueError, match=r"are more than [\d,]+ bytes when decompressed"):
        decompress_file(suffix, large)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".br", ".zstd"])
def test_files_of_every_suffix_that_end_early_are_refused(suffix: str) -> None:
    data = COMPRESS[suffix](np.random.default_rng(1).bytes(1000))
    with pytest.raises((ValueError, OSError)):
        decompress_file(suffix, data[:-5])
    with pytest.raises((ValueError, OSError, zlib.error, lzma.LZMAError)):
        decompress_file(suffix, b"no stream at all")


KNOWN: dict[str, Callable[[bytes], bytes]] = {
    name: numcodecs.get_codec({"id": name}).encode for name in ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd")
}


@pytest.mark.parametrize("codec", KNOWN)
def test_a_codec_never_makes_more_bytes_than_the_metadata_say(codec: str) -> None:
    plain = bytes(1 << 20)
    packed = bytes(KNOWN[codec](plain))
    assert decompress(codec, packed, len(plain)) == plain
    with pytest.raises((ValueError, zlib.error)):
        decompress(codec, packed, len(plain) - 1)
    with pytest.raises((ValueError, zlib.error, OSError, lzma.LZMAError)):
        decompress(codec, packed[:-9], len(plain))


def test_raw_lzma_is_read_with_its_filters_unless_they_take_much_memory() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
    packed = lzma.compress(bytes(1000), lzma.FORMAT_RAW, filters=filters)
    options = {"format": lzma.FORMAT_RAW, "filters": filters}
    assert decompress("lzma", packed, 1000, options) == bytes(1000)
    with pytest.raises(ValueError, match="dictionary"):
        decompress("lzma", packed, 1000, {**options, "filters": [{**filters[0], "dict_size": 1 << 30}]})


def test_a_size_that_a_block_of_lz4_cannot_have_is_refused_before_it_takes_memory() -> None:
    with pytest.raises(ValueError, match="expected at most"):
        decompress("lz4", b"\xff\xff\xff\x7f" + bytes(40), 1 << 40)


def test_a_block_of_snappy_has_the_size_that_is_expected() -> None:
    packed = bytes(imagecodecs.snappy_encode(bytes(1000)))
    assert decode_snappy(packed, 1000) == bytes(1000)
    with pytest.raises(ValueError, match="1,000 bytes by its header; expected 999"):
        decode_snappy(packed, 999)
