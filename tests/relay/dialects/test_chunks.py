"""Shapes of served chunks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxome
from voxome.relay.dialects.chunks import MOST_BYTES, served_chunk

Spec = voxome.VolumeSpec.of


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Spec((500, 500, 500), "uint8"), (64, 64, 64)),
        (Spec((500, 500, 500), "uint8", chunk=(128, 128, 128)), (128, 128, 128)),
        (Spec((500, 500, 500), "uint64", chunk=(128, 128, 128)), (64, 64, 64)),
        (Spec((500, 500, 500), "uint8", chunk=(8, 8, 8)), (64, 64, 64)),
        (Spec((10, 20, 30), "uint8", chunk=(10, 20, 30)), (10, 20, 30)),
        (Spec((500, 40, 500), "uint8", chunk=(64, 64, 64)), (64, 40, 64)),
        (Spec((5, 2, 500, 500, 500), "uint16", axes="tczyx"), (1, 1, 64, 64, 64)),
        (Spec((2000, 2000), "uint8", axes="yx"), (512, 512)),
        (Spec((0, 4, 4), "uint8"), (1, 4, 4)),
    ],
)
def test_chunks_of_the_store_are_kept_where_they_have_a_fair_size(
    spec: voxome.VolumeSpec, expected: tuple[int, ...]
) -> None:
    assert served_chunk(spec) == expected


@given(st.lists(st.integers(1, 10**6), min_size=3, max_size=3), st.integers(1, 500), st.integers(64, MOST_BYTES))
def test_no_chunk_is_larger_than_the_limit(shape: list[int], channels: int, most: int) -> None:
    spec = Spec((channels, *shape), "float32", axes="czyx")
    chunk = served_chunk(spec, together="c", most_bytes=most)
    assert chunk[0] == channels
    assert all(1 <= n <= size for n, size in zip(chunk, spec.domain.shape, strict=True))
    assert math.prod(chunk) * 4 <= max(most, channels * 4)
