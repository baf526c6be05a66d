"""Levels computed one after the other equal those computed from level 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voxome.contracts.context import BlockContext
from voxome.contracts.downsampling import Method
from voxome.contracts.frame import Frame
from voxome.geometry import BlockGrid, Box
from voxome.tools.common.cells.methods import downsample_array
from voxome.tools.common.levels import level, next_level

DOMAIN = Box((-3, 2, 5), (10, 21, 40))
FACTORS = ((1, 2, 2), (2, 2, 2), (2, 1, 3))


def _context(box: Box, domain: Box) -> BlockContext:
    return BlockContext(box, box, Frame(domain, domain, None, (0.0, 0.0, 0.0)))


def _levels(data: NDArray[Any], method: Method, block: tuple[int, int, int]) -> list[NDArray[Any]]:
    """Return all levels of voxels of `DOMAIN`, computed block by block."""
    found, box, parts = list[NDArray[Any]](), DOMAIN, list[tuple[Box, dict[str, NDArray[Any]]]]()
    for number, factors in enumerate(FACTORS):
        shape = tuple(n * f for n, f in zip(block, factors, strict=True))
        grid = BlockGrid(box, shape, anchor=box.snap(factors).start)
        new, coarse = list[tuple[Box, dict[str, NDArray[Any]]]](), box.coarsen(factors)
        values = np.zeros((*data.shape[:-3], *coarse.shape), data.dtype)
        for one in grid:
            settings: dict[str, Any] = {"method": method, "factors": ",".join(map(str, factors))}
            context = _context(one.write, box)
            if number:
                touching = [(own, arrays) for own, arrays in parts if not (own & one.write).empty]
                results: Any = next_level(touching, **settings, block=context)
            else:
                results = level(data[..., *one.write.within(DOMAIN)], **settings, block=context)
            values[..., *one.write.coarsen(factors).within(coarse)] = results["result"]
            new.append((one.write.coarsen(factors), results["cells"]))
        found, parts, box = [*found, values], new, coarse
    return found


@pytest.mark.parametrize("method", ["mean", pytest.param("mode", marks=pytest.mark.slow), "max", "min", "stride"])
@pytest.mark.parametrize(
    "dtype", ["uint8", *(pytest.param(one, marks=pytest.mark.slow) for one in ("uint64", "float32"))]
)
@pytest.mark.parametrize("channels", [(), (2,)])
def test_every_level_is_that_of_level_0(method: Method, dtype: str, channels: tuple[int, ...]) -> None:
    data = np.random.default_rng(3).integers(0, 6, (*channels, *DOMAIN.shape)).astype(dtype)
    box = Box((*(0 for _ in channels), *DOMAIN.start), (*channels, *DOMAIN.stop))
    for block in ((4, 3, 7), (50, 50, 50)):
        total = np.ones(3, int)
        for factors, values in zip(FACTORS, _levels(data, method, block), strict=True):
            total *= factors
            expected = downsample_array(data, box, (*(1 for _ in channels), *(int(n) for n in total)), method)
            assert values.dtype == data.dtype
            assert np.array_equal(values, expected)


def test_the_mean_of_level_3_of_random_bytes_is_that_of_level_0() -> None:
    data = np.random.default_rng(0).integers(0, 256, (128, 128, 128)).astype(np.uint8)
    box = Box.of_shape(data.shape)
    results: Any = level(data, block=_context(box, box))
    for _ in (2, 3):
        box = box.coarsen((2, 2, 2))
        results = next_level([(box, results["cells"])], block=_context(box, box))
    assert results["result"].shape == (16, 16, 16)
    assert abs(float(results["result"].mean()) - float(data.mean())) < 0.02
