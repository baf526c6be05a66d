"""Cells of every method, compared with a plain computation in Python, for any shape, position, dtype and order."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.tools.common.cells.methods import METHODS, cells_of, downsample_array

_RNG = np.random.default_rng(7)

_METHODS = [pytest.param(one, marks=pytest.mark.slow) if one == "mode" else one for one in sorted(METHODS)]
"""Methods; the mode is slow, as it takes 10 s to compile for each dtype."""


def _expected(voxels: list[Any], method: str, no_data: Any) -> Any:
    """Combine the voxels of one cell, in C order."""
    if method == "stride":
        return voxels[0]
    kept = [v for v in voxels if v == v and v != no_data]
    if not kept:
        return float("nan") if no_data is None else no_data
    if method == "mean":
        if isinstance(kept[0], float):
            return float(sum(Fraction(v) for v in kept) / len(kept))
        return round(Fraction(sum(kept), len(kept)))
    if method == "mode":
        counts = Counter(kept)
        return min(v for v, n in counts.items() if n == max(counts.values()))
    return max(kept) if method == "max" else min(kept)


def _reference(
    data: NDArray[Any], box: Box, factors: tuple[int, ...], method: str, no_data: Any = None
) -> NDArray[Any]:
    coarse = box.coarsen(factors)
    result = np.empty(coarse.shape, data.dtype)
    for index in np.ndindex(*coarse.shape):
        one = Box.of_shape((1, 1, 1), [i + a for i, a in zip(index, coarse.start, strict=True)])
        cell = (one.refine(factors) & box).within(box)
        result[index] = _expected(data[cell].reshape(-1).tolist(), method, no_data)
    return result


def _random(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    if np.dtype(dtype).kind == "f":
        return _RNG.integers(-40, 40, shape).astype(dtype) / 4
    low, high = (0, 5) if dtype in ("bool", "uint64", "int8") else (0, 255)
    data = _RNG.integers(low, high, shape)
    if dtype == "bool":
        return data > 2
    return data.astype(dtype) + np.dtype(dtype).type(1 << 63 if dtype == "uint64" else 0)


_boxes = st.tuples(*(st.integers(1, 7),) * 3).flatmap(
    lambda shape: st.tuples(*(st.integers(-5, 5),) * 3).map(lambda start: Box.of_shape(shape, start))
)
_factors = st.tuples(*(st.integers(1, 4),) * 3)
_dtypes = st.sampled_from(
    ["bool", "uint8", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]
)


@pytest.mark.slow
@given(_boxes, _factors, _dtypes, st.sampled_from(sorted(METHODS)), st.sampled_from([None, 0, 1]))
def test_every_method_is_what_its_rule_says(
    box: Box, factors: tuple[int, ...], dtype: str, method: str, no_data: int | None
) -> None:
    data = _random(box.shape, dtype)
    result = cells_of(data, box, factors, method, no_data).values
    assert result.dtype == data.dtype
    assert np.array_equal(result, _reference(data, box, factors, method, no_data))


@pytest.mark.slow
@given(_boxes, _factors, _factors, _dtypes, st.sampled_from(sorted(METHODS)), st.sampled_from([None, 0]))
def test_cells_of_cells_are_those_of_all_their_voxels(
    box: Box, first: tuple[int, ...], then: tuple[int, ...], dtype: str, method: str, no_data: int | None
) -> None:
    data = _random(box.shape, dtype)
    once = tuple(a * b for a, b in zip(first, then, strict=True))
    cells = cells_of(data, box, first, method, no_data).coarsen(then)
    assert cells.box == box.coarsen(once)
    assert np.array_equal(cells.values, cells_of(data, box, once, method, no_data).values)


@pytest.mark.slow
@given(st.sampled_from(sorted(METHODS)), _dtypes)
def test_memory_order_does_not_matter(method: str, dtype: str) -> None:
    data = _random((6, 7, 8), dtype)
    box = Box.of_shape(data.shape, (1, 0, 3))
    expected = cells_of(data, box, (2, 2, 2), method).values
    strided = np.repeat(data, 2, axis=2)[:, :, ::2]
    for other in (np.asfortranarray(data), data[:, ::-1][:, ::-1], strided):
        assert np.array_equal(cells_of(other, box, (2, 2, 2), method).values, expected)


@pytest.mark.slow
@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_cells_cut_off_at_both_faces_are_those_of_their_voxels(method: str, axis: int) -> None:
    for start, length, factor in product(range(4), range(1, 13), (2, 3, 4)):
        shape, starts, factors = [2, 2, 2], [0, 0, 0], [2, 2, 2]
        shape[axis], starts[axis], factors[axis] = length, start, factor
        data, box = _random(tuple(shape), "uint8"), Box.of_shape(shape, starts)
        expected = _reference(data, box, tuple(factors), method, None)
        assert np.array_equal(cells_of(data, box, tuple(factors), method).values, expected), (start, length, factor)


@pytest.mark.parametrize("method", _METHODS)
def test_a_constant_array_stays_constant_to_the_last_voxel(method: str) -> None:
    for shape in product((1, 2, 3, 5, 17), repeat=3):
        data = np.full(shape, 100, np.uint8)
        for factors in ((2, 2, 2), (2, 2, 1), (3, 1, 4)):
            values = cells_of(data, Box.of_shape(shape, (1, 0, 5)), factors, method).values
            assert (values == 100).all(), (shape, factors)


def test_halves_are_rounded_to_even() -> None:
    data = np.array([[[0, 1, 1, 2, 2, 3, 3, 4]]], np.uint8)
    assert cells_of(data, Box.of_shape(data.shape), (1, 1, 2), "mean").values.tolist() == [[[0, 2, 2, 4]]]


def test_the_smallest_of_equally_frequent_ids_wins() -> None:
    data = np.array([[[9, 5, 5, 9, 0, 7]]], np.uint64)
    assert cells_of(data, Box.of_shape(data.shape), (1, 1, 2), "mode").values.tolist() == [[[5, 5, 0]]]


@pytest.mark.slow
def test_the_largest_ids_are_exact() -> None:
    data = np.array([[[2**64 - 1, 2**64 - 1, 2**63 + 3, 2]]], np.uint64)
    box = Box.of_shape(data.shape)
    assert cells_of(data, box, (1, 1, 2), "mode").values.tolist() == [[[2**64 - 1, 2]]]
    assert cells_of(data, box, (1, 1, 2), "mean").values.tolist() == [[[2**64 - 1, (2**63 + 5) // 2]]]
    assert cells_of(data, box, (1, 1, 2), "max").values.tolist() == [[[2**64 - 1, 2**63 + 3]]]


@pytest.mark.slow
def test_background_that_does_not_count_loses_against_a_single_voxel() -> None:
    labels = np.zeros((9, 32, 32), np.uint64)
    labels[4] = 7
    cells = cells_of(labels, Box.of_shape(labels.shape), (2, 2, 2), "mode", no_data=0)
    for _ in range(3):
        cells = cells.coarsen((2, 2, 2))
        assert (cells.values == 7).any(axis=0).all()


@pytest.mark.slow
def test_nan_does_not_count_unless_there_is_nothing_else() -> None:
    data = np.array([[[np.nan, 3, np.nan, np.nan, 1, 2]]], np.float32)
    for method, last in (("mean", 1.5), ("mode", 1), ("max", 2), ("min", 1)):
        values = cells_of(data, Box.of_shape(data.shape), (1, 1, 2), method).values[0, 0]
        assert values[0] == 3
        assert np.isnan(values[1])
        assert values[2] == last


def test_the_mean_of_level_3_is_that_of_level_0() -> None:
    data = _RNG.integers(0, 256, (64, 64, 64), dtype=np.uint8)
    cells = cells_of(data, Box.of_shape(data.shape), (2, 2, 2), "mean").coarsen((2, 2, 2)).coarsen((2, 2, 2))
    exact = data.reshape(8, 8, 8, 8, 8, 8).mean(axis=(1, 3, 5))
    assert np.abs(cells.values - exact).max() <= 0.5
    assert abs(cells.values.mean() - data.mean()) < 0.02


@pytest.mark.slow
def test_many_values_in_a_cell_are_counted_as_few_are() -> None:
    data = _RNG.integers(0, 300, (8, 8, 16)).astype(np.uint32)
    box = Box.of_shape(data.shape)
    assert np.array_equal(cells_of(data, box, (8, 8, 8), "mode").values, _reference(data, box, (8, 8, 8), "mode"))


def test_axes_before_z_y_and_x_are_kept_apart() -> None:
    data = _random((2, 3, 5, 4, 6), "uint8")
    result = downsample_array(data, Box.of_shape(data.shape), (1, 1, 2, 2, 2), "mean")
    assert result.shape == (2, 3, 3, 2, 3)
    one = cells_of(data[1, 2], Box.of_shape((5, 4, 6)), (2, 2, 2), "mean").values
    assert np.array_equal(result[1, 2], one)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "uint64", "float32"])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_cells_are_stored_and_joined_without_a_change(method: str, dtype: str) -> None:
    data = _random((9, 8, 7), dtype)
    box = Box.of_shape(data.shape, (1, 2, 3))
    whole = cells_of(data, box, (2, 2, 2), method)
    parts = []
    for start, stop in ((1, 4), (4, 10)):
        part = Box((start, *box.start[1:]), (stop, *box.stop[1:]))
        cells = cells_of(data[part.within(box)], part, (2, 2, 2), method)
        parts.append(METHODS[method].of_arrays(cells.box, cells.arrays, data.dtype, None))
    joined = METHODS[method].join(whole.box, parts)
    for name, values in whole.arrays.items():
        assert np.array_equal(joined.arrays[name], values), name
    inner = Box((2, 2, 2), (4, 4, 4))
    cut = METHODS[method].join(inner, parts)
    assert np.array_equal(cut.values, whole.values[inner.within(whole.box)])
    assert np.array_equal(
        cut.coarsen((2, 2, 2)).values,
        whole.coarsen((2, 2, 2)).values[inner.coarsen((2, 2, 2)).within(whole.box.coarsen((2, 2, 2)))],
    )
