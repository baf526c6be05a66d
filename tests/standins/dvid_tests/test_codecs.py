"""Encodings survive a round trip."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from standins.dvid.calls import Refusal
from standins.dvid.codecs import label_block, protobuf, runs, segmentation
from standins.dvid.types.labelmap import index
from standins.dvid.types.labelmap.blocks import halve


@st.composite
def volumes(draw: st.DrawFn) -> NDArray[np.uint64]:
    shape = tuple(8 * draw(st.integers(1, 3)) for _ in range(3))
    labels = np.array(draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40)), np.uint64)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    smooth = draw(st.sampled_from([1, 4, 8]))
    coarse = rng.integers(0, len(labels), [n // smooth for n in shape])
    return labels[coarse.repeat(smooth, 0).repeat(smooth, 1).repeat(smooth, 2)]


@given(volumes())
def test_native_blocks_survive_a_round_trip(voxels: NDArray[np.uint64]) -> None:
    assert_array_equal(label_block.decode(label_block.encode(voxels)), voxels)


def test_a_sub_block_of_512_labels_survives_a_round_trip() -> None:
    voxels = np.arange(512, dtype=np.uint64).reshape(8, 8, 8) << np.uint64(40)
    assert_array_equal(label_block.decode(label_block.encode(voxels)), voxels)


@pytest.mark.parametrize("cut", [0, 5, 30, 600])
def test_a_truncated_native_block_is_refused(cut: int) -> None:
    whole = label_block.encode(np.random.default_rng(0).integers(0, 9, (16, 16, 16)).astype(np.uint64))
    with pytest.raises(Refusal):
        label_block.decode(whole[:cut])


@given(volumes())
def test_compressed_segmentation_survives_a_round_trip(voxels: NDArray[np.uint64]) -> None:
    words = np.frombuffer(segmentation.encode(voxels), "<u4")
    assert words[0] == 1
    table, cubes = words[1:], []
    for header, start in table[: 2 * (voxels.size // 512)].reshape(-1, 2).tolist():
        bits, labels = header >> 24, table[header & 0xFFFFFF :]
        coords = np.zeros(512, np.int64)
        if bits:
            packed = table[start : start + 16 * bits, None] >> np.arange(0, 32, bits, dtype=np.uint32)
            coords = (packed & np.uint32(2**bits - 1)).ravel().astype(np.int64)
        low, high = labels[2 * coords].astype(np.uint64), labels[2 * coords + 1].astype(np.uint64)
        cubes.append(low | high << np.uint64(32))
    assert_array_equal(np.stack(cubes), label_block.cubes(voxels))


@given(st.integers(0, 2**31), st.integers(-50, 50))
def test_runs_cover_their_mask(seed: int, start: int) -> None:
    mask = np.random.default_rng(seed).random((4, 5, 30)) < 0.6
    offset = (start, start + 1, start - 1)
    table = runs.decode(runs.encode(runs.from_mask(mask, offset)))
    assert table[:, 3].sum() == mask.sum()
    painted = np.zeros_like(mask)
    runs.paint(table, painted, offset)
    assert_array_equal(painted, mask)
    parts = runs.split_by_block(table, (8, 8, 8))
    assert sum(part[:, 3].sum() for part in parts.values()) == mask.sum()
    for coord, part in parts.items():
        assert (part[:, 0] // 8 == coord[0]).all()
        assert ((part[:, 0] + part[:, 3] - 1) // 8 == coord[0]).all()


def test_truncated_runs_are_refused() -> None:
    with pytest.raises(Refusal, match="unexpected EOF"):
        runs.decode(runs.encode(np.array([[0, 0, 0, 5]], np.int32))[:-1])
    with pytest.raises(Refusal, match="unexpected EOF"):
        runs.decode(b"short")


ids = st.integers(1, 2**64 - 1)
coords = st.tuples(*[st.integers(-(2**20) + 1, 2**20 - 1)] * 3)


@pytest.mark.slow
@given(ids, st.dictionaries(coords, st.dictionaries(ids, st.integers(1, 2**32 - 1), min_size=1)), st.text())
def test_an_index_survives_a_round_trip(
    label: int, blocks: dict[tuple[int, int, int], dict[int, int]], user: str
) -> None:
    expected = index.LabelIndex(blocks, mutation=7, user=user, app="app")
    assert index.decode(index.encode(label, expected)) == (label, expected)


@pytest.mark.slow
@given(st.dictionaries(st.text(), st.binary()))
def test_keyvalues_survive_a_round_trip(values: dict[str, bytes]) -> None:
    assert protobuf.decode_keyvalues(protobuf.encode_keyvalues(values)) == values


def test_a_truncated_message_is_refused() -> None:
    with pytest.raises(Refusal):
        protobuf.decode(protobuf.encode_keyvalues({"key": b"value"})[:-1])


@pytest.mark.parametrize(
    ("eight", "winner"),
    [([0] * 7 + [9], 9), ([5, 5, 3, 3, 0, 0, 0, 0], 3), ([8, 8, 8, 2, 2, 1, 0, 0], 8), ([0] * 8, 0)],
)
def test_downsampling_takes_the_most_frequent_label(eight: list[int], winner: int) -> None:
    assert halve(np.array(eight, np.uint64).reshape(2, 2, 2)).tolist() == [[[winner]]]


def test_a_full_block_is_one_byte() -> None:
    assert runs.encode_block(np.ones((8, 8, 8), bool), (8, 0, -8)) == struct.pack("<3iB", 8, 0, -8, 1)
