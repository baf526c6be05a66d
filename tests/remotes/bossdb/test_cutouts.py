"""Requests for boxes, and the encoding of voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import blosc
from numpy.testing import assert_array_equal

from voxome.config.settings import settings
from voxome.errors import CorruptData, InvalidInput
from voxome.geometry import Box
from voxome.remotes.bossdb import cutouts
from voxome.remotes.bossdb.service import api_at

CUBOID = (16, 512, 512)
counts = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))


@given(count=counts, itemsize=st.sampled_from([1, 2, 4, 8]))
def test_requests_are_whole_cuboids_and_not_too_large(count: tuple[int, int, int], itemsize: int) -> None:
    shape = tuple(n * size for n, size in zip(count, CUBOID, strict=True))
    found = cutouts.request_shape(shape, CUBOID, itemsize)
    assert all(n % size == 0 and size <= n <= m for n, size, m in zip(found, CUBOID, shape, strict=True))
    assert math.prod(found) * itemsize <= max(settings().bossdb_request_mib << 20, math.prod(CUBOID) * itemsize)


@given(
    start=st.tuples(st.integers(0, 100), st.integers(0, 3000), st.integers(0, 3000)),
    shape=st.tuples(st.integers(1, 100), st.integers(1, 3000), st.integers(1, 3000)),
    times=st.one_of(st.none(), st.integers(1, 9)),
)
def test_requests_tile_the_box_along_the_cuboids(
    start: tuple[int, ...], shape: tuple[int, ...], times: int | None
) -> None:
    before = () if times is None else (times,)
    box = Box.of_shape((*before, *shape), (*(3 for _ in before), *start))
    cuboid = (*(1 for _ in before), *CUBOID)
    parts = cutouts.Cutouts(api_at("http://h"), ("a", "b", "c"), 0, np.dtype("u2"), cuboid)._requests(box)
    assert sum(part.size for part in parts) == box.size
    assert all(part in box for part in parts)
    for part in parts:
        for a, b, low, high, size in zip(part.start, part.stop, box.start, box.stop, cuboid, strict=True):
            assert a % size == 0 or a == low
            assert b % size == 0 or b == high


def test_the_settings_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_BOSSDB_WORKERS", "1")
    monkeypatch.setenv("VOXOME_BOSSDB_REQUEST_MIB", "64")
    assert cutouts.request_shape((512, 1024, 1024), CUBOID, 1) == (64, 1024, 1024)
    monkeypatch.setenv("VOXOME_BOSSDB_REQUEST_MIB", "9999")
    with pytest.raises(InvalidInput, match=r"VOXOME_BOSSDB_REQUEST_MIB is '9999': expected at most 512"):
        cutouts.request_shape((1024, 2048, 2048), CUBOID, 1)


@pytest.mark.parametrize("dtype", ["<u1", "<u2", "<u4", "<u8"])
def test_voxels_are_decoded_into_any_array(dtype: str) -> None:
    data = np.random.default_rng(0).integers(0, 200, (3, 5, 7)).astype(dtype)
    body = cutouts.encode(data)
    wide = np.zeros((3, 9, 7), dtype)
    for out in (np.empty_like(data), np.empty_like(data, order="F"), wide[:, 2:7]):
        cutouts.decode(body, out, np.dtype(dtype), "voxels")
        assert_array_equal(out, data)
    assert not wide[:, :2].any()
    assert not wide[:, 7:].any()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"",
        lambda body: body[:8],
        lambda body: body[:-1],
        lambda body: body + b"\0",
        lambda body: b"<html>this is no blosc at all</html>",
        lambda body: blosc.compress(np.ones((3, 5, 8), np.uint8), b"lz4", 5, 0),
        lambda body: body[:16] + bytes(255 - byte for byte in body[16:]),
    ],
)
def test_malformed_bodies_are_refused(spoil: object) -> None:
    data = np.repeat(np.arange(15, dtype=np.uint8), 70).reshape(3, 5, 70)
    with pytest.raises(CorruptData, match="box of voxels"):
        cutouts.decode(spoil(cutouts.encode(data)), np.empty_like(data), data.dtype, "box of voxels")  # type: ignore[operator]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6)), max_size=4))
def test_the_extent_of_a_mask_is_tight(points: list[tuple[int, int, int]]) -> None:
    mask = np.zeros((5, 6, 7), bool)
    for point in points:
        mask[point] = True
    found = cutouts._extent(mask, (10, 20, 30))
    if not points:
        assert found is None
        return
    assert found == Box(
        tuple(min(c) + o for c, o in zip(zip(*points, strict=True), (10, 20, 30), strict=True)),
        tuple(max(c) + o + 1 for c, o in zip(zip(*points, strict=True), (10, 20, 30), strict=True)),
    )
