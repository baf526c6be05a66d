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
import pyarrow as pa
import pytest

from voxome.remotes.decompression import (
    SUFFIXES,
    _decode_streams,
    decode_snappy,
    decompress,
    decompress_file,
    inflate,
)

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


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
def test_files_of_many_streams_come_back_padded_or_not(suffix: str) -> None:
    plain = [np.random.default_rng(n).bytes(n**3) for n in range(30)]
    packed = [COMPRESS[suffix](one) + bytes(n % 3 * 4) for n, one in enumerate(plain)]
    assert decompress_file(suffix, b"".join(packed)) == b"".join(plain)
    with pytest.raises(ValueError, match="are more than"):
        decompress_file(suffix, b"".join(packed), most=sum(map(len, plain)) - 1)
    with pytest.raises(ValueError, match="truncated"):
        decompress_file(suffix, b"".join(packed)[:-20])


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
def test_empty_streams_are_few(suffix: str) -> None:
    assert decompress_file(suffix, COMPRESS[suffix](b"") * 100 + COMPRESS[suffix](b"vox")) == b"vox"
    with pytest.raises(ValueError, match="compressed streams are empty"):
        decompress_file(suffix, COMPRESS[suffix](b"") * 100_000)


def test_the_time_of_small_streams_grows_with_their_number_only() -> None:
    """Each decompressor was given all that was left, and copied it: 60,000 streams took minutes."""
    seen: list[int] = []

    class Counting:
        def __init__(self) -> None:
            self.inner = zlib.decompressobj()

        def decompress(self, data: bytes, most: int) -> bytes:
            seen.append(len(data))
            return self.inner.decompress(data, most)

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    packed = zlib.compress(b"x") * 10_000
    assert _decode_streams(packed, 10_000, Counting) == b"x" * 10_000
    assert sum(seen) < 2 * len(packed) + 10_000 * 1024


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
    packed = pa.compress(bytes(1000), codec="snappy", asbytes=True)
    assert decode_snappy(packed, 1000) == bytes(1000)
    with pytest.raises(ValueError, match="1,000 bytes by its header; expected 999"):
        decode_snappy(packed, 999)
