"""Runs as a mask: what they contain, and their voxels."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.geometry import Box
from voxome.tools.common.vessels import run_mask
from voxome.tools.common.vessels.run_mask import RunMask
from voxome.tools.common.vessels.runs import find_runs


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("at_once", [1, 100, 1 << 18])
def test_runs_contain_the_voxels_of_the_mask(density: float, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_mask, "_VOXELS_AT_ONCE", at_once)
    mask = np.random.default_rng(1).random((9, 7, 31)) < density
    box = Box.of_shape(mask.shape, (5, -3, 101))
    runs = RunMask.of_runs(find_runs(mask, box), box)
    around = np.stack(np.indices((13, 11, 35)), axis=-1).reshape(-1, 3) - 2 + box.start
    np.testing.assert_array_equal(runs.contains(around), np.pad(mask, 2).ravel())
    parts = [np.zeros((0, 3), np.int64), *runs.voxels()]
    np.testing.assert_array_equal(np.concatenate(parts), np.argwhere(mask) + box.start)
