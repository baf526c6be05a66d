"""Native label blocks: properties, and blocks of a real server."""

from __future__ import annotations

import gzip
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from remotes.dvid.recorded import body, exchanges, response_body

from voxome.errors import CorruptData, InvalidInput
from voxome.remotes.dvid.label_blocks import (
    block_shape,
    compress,
    decode,
    decompress,
    encode,
    join_blocks,
    split_blocks,
)

SHAPE = (64, 64, 64)


def decoded(data: bytes, shape: tuple[int, int, int] | None = None) -> NDArray[np.uint64]:
    labels = np.full(shape or block_shape(data), 99, np.uint64)
    decode(data, labels, shape=labels.shape)
    return labels


def reference(data: bytes) -> NDArray[np.uint64]:
    """Decode a block bit by bit, as a reference implementation of the format."""
    gx, gy, gz, n = struct.unpack_from("<4I", data)
    labels = np.frombuffer(data, "<u8", n, 16)
    out = np.zeros((gz * 8, gy * 8, gx * 8), np.uint64)
    if n < 2:
        out[:] = labels[0] if n else 0
        return out
    counts = np.frombuffer(data, "<u2", gx * gy * gz, at := 16 + 8 * n)
    index = np.frombuffer(data, "<u4", int(counts.sum()), at := at + 2 * counts.size)
    at += 4 * index.size
    for i, m in enumerate(map(int, counts)):
        z, y, x = (8 * n for n in np.unravel_index(i, (gz, gy, gx)))
        palette, index, bits = labels[index[:m]], index[m:], max(m - 1, 0).bit_length()
        packed = np.unpackbits(np.frombuffer(data, np.uint8, 64 * bits, at)).reshape(512, bits)
        at += 64 * bits
        indices = (packed * 2 ** np.arange(bits)[::-1]).sum(axis=1).astype(int)
        out[z : z + 8, y : y + 8, x : x + 8] = palette[indices].reshape(8, 8, 8) if m else 0
    assert at == len(data)
    return out


@st.composite
def label_arrays(draw: st.DrawFn) -> NDArray[np.uint64]:
    shape = tuple(8 * draw(st.integers(1, 3)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool = rng.integers(0, 2**64, draw(st.sampled_from([1, 2, 3, 4, 5, 9, 40, 300, 2000])), np.uint64)
    pool[0] = draw(st.sampled_from([0, 1, 2**64 - 1]))
    found = pool[rng.integers(0, len(pool), shape)]
    if draw(st.booleans()):
        found[:8, :8, :8] = pool[0]
    return np.asfortranarray(found) if draw(st.booleans()) else found


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(label_arrays())
def test_blocks_survive_a_round_trip(labels: NDArray[np.uint64]) -> None:
    data = encode(labels)
    assert block_shape(data) == labels.shape
    assert_array_equal(decoded(data), labels)
    assert_array_equal(reference(data), labels)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(label_arrays(), st.data())
def test_any_part_is_decoded(labels: NDArray[np.uint64], data: st.DataObject) -> None:
    starts = [data.draw(st.integers(0, n - 1)) for n in labels.shape]
    stops = [data.draw(st.integers(a + 1, n)) for a, n in zip(starts, labels.shape, strict=True)]
    cut = tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))
    whole = np.zeros(tuple(2 * (b - a) for a, b in zip(starts, stops, strict=True)), np.uint64)
    seen = whole[::2, ::2, ::2]
    decode(encode(labels), seen, shape=labels.shape, first=tuple(starts))  # type: ignore[arg-type]
    assert_array_equal(seen, labels[cut])
    assert not whole[1::2].any()


@pytest.mark.parametrize("count", [1, 2, 3, 255, 256, 257, 512])
def test_sub_blocks_encode_any_number_of_labels(count: int) -> None:
    labels = (np.arange(8**3, dtype=np.uint64) % count + 2**63).reshape(8, 8, 8)
    data = encode(labels)
    assert struct.unpack_from("<4I", data) == (1, 1, 1, count)
    assert_array_equal(decoded(data), labels)


def test_a_uniform_block_stores_no_values() -> None:
    data = encode(np.full((8, 16, 24), 5, np.uint64))
    assert data == struct.pack("<4IQ", 3, 2, 1, 1, 5)


def test_a_block_without_labels_is_background() -> None:
    assert not decoded(struct.pack("<4I", 3, 2, 1, 0)).any()
    several = struct.pack("<4I2Q", 2, 1, 1, 2, 7, 8) + struct.pack("<2HI", 0, 1, 1)
    assert_array_equal(decoded(several), np.repeat([[[0, 8]]], 8, axis=2).repeat(8, 1).repeat(8, 0))


def test_blocks_sent_by_a_real_server_are_decoded(recorded: Path) -> None:
    raw = np.frombuffer(response_body(recorded, "/segmentation/raw/0_1_2/128_128_64/0_0_0"), "<u8").reshape(
        64, 128, 128
    )
    blocks = dict(split_blocks(response_body(recorded, "/segmentation/blocks/128_128_64/0_0_0?compression=blocks")))
    assert sorted(blocks) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    for (z, y, x), packed in blocks.items():
        cut = raw[64 * z : 64 * z + 64, 64 * y : 64 * y + 64, 64 * x : 64 * x + 64]
        assert_array_equal(decoded(decompress(packed, SHAPE)), cut)


def test_blocks_accepted_by_a_real_server_are_decoded(recorded: Path) -> None:
    post = next(p for p in exchanges(recorded) if "/blocks?u=ana" in p["request"]["path"])
    ((index, packed),) = split_blocks(body(recorded, post["request"]["body"]))
    raw = np.frombuffer(response_body(recorded, "/segmentation/raw/0_1_2/64_64_64/128_0_0"), "<u8").reshape(SHAPE)
    assert index == (0, 0, 2)
    assert_array_equal(decoded(decompress(packed, SHAPE)), raw)
    assert_array_equal(reference(encode(raw)), raw)


def test_blocks_are_joined_and_split() -> None:
    blocks = {(1, -2, 3): b"first", (-1, 0, 0): b"", (0, 0, 0): b"last"}
    assert {index: bytes(data) for index, data in split_blocks(join_blocks(blocks.items()))} == blocks
    assert join_blocks([((1, -2, 3), b"first")])[:16] == struct.pack("<4i", 3, -2, 1, 5)
    assert list(split_blocks(b"")) == []


@pytest.mark.parametrize("size", [1, 15, 16, 20, 37])
def test_a_truncated_body_is_refused(size: int) -> None:
    whole = join_blocks([((0, 0, 0), b"first"), ((0, 0, 1), b"again")])
    with pytest.raises(CorruptData, match="ends within"):
        list(split_blocks(whole[:size]))


def test_blocks_are_compressed_with_gzip() -> None:
    block = encode(np.arange(512, dtype=np.uint64).reshape(8, 8, 8))
    assert gzip.decompress(compress(block)) == block == decompress(gzip.compress(block), (8, 8, 8))
    for wrong in (b"", b"none", compress(block)[:-9]):
        with pytest.raises(CorruptData, match="cannot decompress"):
            decompress(wrong, (8, 8, 8))


def test_a_block_is_decompressed_up_to_the_most_that_its_shape_allows() -> None:
    distinct = encode(np.arange(16**3, dtype=np.uint64).reshape(16, 16, 16))
    assert decompress(compress(distinct), (16, 16, 16)) == distinct
    with pytest.raises(CorruptData, match=r"are more than 53,792 bytes when decompressed"):
        decompress(compress(bytes(1 << 24)), (16, 16, 16))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_malformed_blocks_never_crash(data: st.DataObject) -> None:
    good = encode(np.arange(1024, dtype=np.uint64).reshape(8, 16, 8) % 6)
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    seen = np.zeros((8, 16, 8), np.uint64)
    with suppress(CorruptData):
        decode(bytes(bad[: data.draw(st.integers(0, len(bad)))]), seen, shape=(8, 16, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:10], "shorter than its header"),
        (lambda b: b[:-1], "too early"),
        (lambda b: b[:20], "too early"),
        (lambda b: b + b"\0", "continues after its end"),
        (lambda b: b[:12] + struct.pack("<I", 2**32 - 1) + b[16:], "too early"),
        (lambda b: b[:32] + struct.pack("<H", 513) + b[34:] + bytes(5000), "more than 512"),
        (lambda b: b[:34] + struct.pack("<I", 2) + b[38:], "outside its list"),
        (lambda b: struct.pack("<4I", 2, 1, 1, 1) + bytes(8), "has shape"),
    ],
)
def test_each_defect_is_named(change: object, message: str) -> None:
    good = encode(np.arange(512, dtype=np.uint64).reshape(8, 8, 8) % 2)
    with pytest.raises(CorruptData, match=message):
        decode(change(good), np.zeros((8, 8, 8), np.uint64), shape=(8, 8, 8))  # type: ignore[operator]


def test_an_index_outside_the_palette_is_refused() -> None:
    block = bytearray(encode(np.arange(512, dtype=np.uint64).reshape(8, 8, 8) % 3))
    block[-1] |= 3
    with pytest.raises(CorruptData, match="outside its list"):
        decoded(bytes(block))


@pytest.mark.parametrize("wrong", [np.zeros((8, 8, 9), "u8"), np.zeros((8, 8), "u8"), np.zeros((8, 8, 8), "u4")])
def test_arrays_that_are_not_blocks_are_not_encoded(wrong: NDArray[np.uint64]) -> None:
    with pytest.raises(InvalidInput, match="multiples of 8"):
        encode(wrong)


def test_the_output_must_be_inside_the_block() -> None:
    with pytest.raises(InvalidInput, match="not inside"):
        decode(encode(np.zeros((8, 8, 8), np.uint64)), np.zeros((8, 8, 8), np.uint64), shape=(8, 8, 8), first=(1, 0, 0))
