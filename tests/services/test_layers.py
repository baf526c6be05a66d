"""Blocks with the layers beyond them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.resources.volume_like import ArraySource
from voxome.services import layers
from voxome.services.layers import Layers

VOXELS = np.random.default_rng(1).integers(0, 9, (7, 8, 9))


class Counting(ArraySource):
    """An array in chunks, which counts the voxels that are read."""

    def __init__(self, chunk: tuple[int, ...] | None) -> None:
        super().__init__(VOXELS)
        self.spec = self.spec.replace(read_chunk=chunk)
        self.voxels = 0

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        self.voxels += box.size
        return super().read(box, out=out)


@pytest.fixture(autouse=True)
def _blocks_of_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.resources.local_ids.BLOCK_VOXELS", 1)


@pytest.mark.parametrize("region", [Box.of_shape((7, 8, 9)), Box((1, 2, 3), (6, 7, 9))])
@pytest.mark.parametrize("chunk", [(3, 3, 3), (7, 2, 9), (1, 1, 1), (16, 16, 16), None])
@pytest.mark.parametrize("kept", [0, 1 << 30])
def test_every_block_comes_once_with_its_layers(
    region: Box, chunk: tuple[int, ...] | None, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "_KEPT_BYTES", kept)
    source, seen = Counting(chunk), np.zeros(VOXELS.shape, int)
    for block, voxels in Layers(source, region):
        seen[block.within(source.spec.domain)] += 1
        stop = tuple(min(a + 1, b) for a, b in zip(block.stop, region.stop, strict=True))
        assert voxels.shape == Box(block.start, stop).shape
        for axis in range(3):
            end = tuple(s if other == axis else b for other, (s, b) in enumerate(zip(stop, block.stop, strict=True)))
            part = Box(block.start, end)
            expected = VOXELS[part.within(source.spec.domain)]
            np.testing.assert_array_equal(voxels[tuple(slice(n) for n in part.shape)], expected)
    inside = np.zeros(VOXELS.shape, int)
    inside[region.within(source.spec.domain)] = 1
    np.testing.assert_array_equal(seen, inside)
    if chunk is not None and kept:
        assert source.voxels == region.size
