"""Most frequent values of several levels at once, compared with a plain computation of each."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.tools.common.cells.levels import levels_of_voxels

_RNG = np.random.default_rng(3)
_HALVED = [(2, 2, 2)] * 3


def _labels(shape: tuple[int, ...], dtype: str, count: int) -> NDArray[Any]:
    """Return patches of `count` values, a quarter of them in cubes of one value."""
    coarse = _RNG.integers(0, count, [-(-n // 4) for n in shape])
    data = np.kron(coarse, np.ones((4, 4, 4), np.int64))[tuple(slice(n) for n in shape)]
    noise = _RNG.integers(0, count, shape)
    data = np.where(_RNG.random(shape) < 0.3, noise, data)
    values = data.astype(dtype) - np.dtype(dtype).type(3 if dtype.startswith("f") else 0)
    if dtype.startswith("f"):
        values[_RNG.random(shape) < 0.1] = np.nan
    return values


def _expected(data: NDArray[Any], box: Box, factors: tuple[int, ...], no_data: Any) -> NDArray[Any]:
    coarse = box.coarsen(factors)
    result = np.empty(coarse.shape, data.dtype)
    for index in np.ndindex(*coarse.shape):
        one = Box.of_shape((1, 1, 1), [i + a for i, a in zip(index, coarse.start, strict=True)])
        voxels = data[(one.refine(factors) & box).within(box)].reshape(-1).tolist()
        counts = Counter(v for v in voxels if v == v and v != no_data)
        nothing = no_data if no_data is not None else float("nan") if data.dtype.kind == "f" else 0
        result[index] = min((v for v, n in counts.items() if n == max(counts.values())), default=nothing)
    return result


@pytest.mark.slow
@pytest.mark.parametrize("no_data", [None, 0])
@pytest.mark.parametrize("count", [2, 5, 400])
@pytest.mark.parametrize("dtype", ["uint64", "float32"])
@pytest.mark.parametrize("ratios", [_HALVED, _HALVED[:1], _HALVED[:2], [(1, 2, 2), (2, 2, 2)], [(3, 2, 1), (2, 2, 2)]])
def test_each_level_is_that_of_the_voxels(
    ratios: list[tuple[int, ...]], dtype: str, count: int, no_data: int | None
) -> None:
    for start, shape in (((0, 0, 0), (16, 16, 16)), ((3, 8, -5), (17, 16, 21))):
        data, box = _labels(shape, dtype, count), Box.of_shape(shape, start)
        is_float = dtype.startswith("f")
        levels = levels_of_voxels(data, box, ratios, "mode", no_data, ids=not is_float, keep=True)
        wholes = list(accumulate(ratios, lambda one, other: tuple(a * b for a, b in zip(one, other, strict=True))))
        for whole, values in zip(wholes, levels.values, strict=True):
            assert np.array_equal(values, _expected(data, box, whole, no_data), equal_nan=is_float)
        if not is_float:
            for ids, values in zip(levels.ids, (data, *levels.values), strict=True):
                assert np.array_equal(ids, np.unique(values))
        assert levels.last is not None
        coarser = tuple(3 * n for n in wholes[-1])
        expected = _expected(data, box, coarser, no_data)
        assert np.array_equal(levels.last.coarsen((3, 3, 3)).values, expected, equal_nan=is_float)
