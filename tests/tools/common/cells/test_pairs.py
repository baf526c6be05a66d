"""Means of cells of two voxels an axis, which are computed without compiled code."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from voxome.geometry import Box
from voxome.tools.common.cells.methods import METHODS, cells_of

_CALL = """
import sys
import numpy as np
from voxome.geometry import Box
from voxome.tools.common.cells.levels import levels_of_voxels
data = np.arange(8 * 16 * 16, dtype=np.uint16).reshape(8, 16, 16)
levels_of_voxels(data, Box.of_shape(data.shape), [(1, 2, 2), (2, 2, 2), (2, 2, 2)], "mean", keep=True)
print("numba" in sys.modules)
"""


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int16", "uint32"])
@pytest.mark.parametrize("first", [(1, 2, 2), (2, 1, 2), (2, 2, 2), (2, 2, 1)])
def test_means_of_several_levels_are_those_of_all_voxels(dtype: str, first: tuple[int, int, int]) -> None:
    rng, shape = np.random.default_rng(5), (16, 24, 8)
    data = rng.integers(0, 2 if dtype == "bool" else 256, shape).astype(dtype)
    cells, factors = cells_of(data, Box.of_shape(shape, (16, 0, -8)), first, "mean"), np.array(first)
    for step in ((2, 2, 2), (1, 2, 2), (2, 1, 1)):
        split = [part for n, factor in zip(shape, factors, strict=True) for part in (n // factor, factor)]
        means = data.reshape(split).astype(np.float64).mean(axis=(1, 3, 5))
        np.testing.assert_array_equal(cells.values, np.rint(means).astype(dtype))
        assert cells.values.dtype == data.dtype
        cells, factors = cells.coarsen(step), factors * step


def test_sums_of_the_largest_values_do_not_overflow() -> None:
    data = np.full((64, 64, 64), 65535, np.uint16)
    cells = cells_of(data, Box.of_shape(data.shape), (2, 2, 2), "mean")
    for _ in range(5):
        cells = cells.coarsen((2, 2, 2))
        assert (cells.values == 65535).all()
    assert cells.arrays["sums"].item() == 65535 << 18


@pytest.mark.slow
def test_cells_of_many_voxels_are_joined_with_such_that_a_face_cuts_off() -> None:
    data, boxes = (
        np.full((1, 1, 80000), 65535, np.uint16),
        (Box((0, 0, 39990), (1, 1, 40000)), Box((0, 0, 40000), (1, 1, 80000))),
    )
    parts = [cells_of(data[one.within(Box.of_shape(data.shape))], one, (1, 1, 40000), "mean") for one in boxes]
    joined = METHODS["mean"].join(Box((0, 0, 0), (1, 1, 2)), parts)
    assert joined.values.tolist() == [[[65535, 65535]]]


@pytest.mark.slow
def test_means_of_halved_images_need_no_compiled_code() -> None:
    done = subprocess.run([sys.executable, "-c", _CALL], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
