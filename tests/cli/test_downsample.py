"""`voxome downsample`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome

Command = Callable[..., Any]

LARGE = 2**53


@pytest.mark.parametrize("excluded", [LARGE, LARGE + 1])
def test_an_id_that_does_not_count_stays_exact(command: Command, tmp_path: Path, excluded: int) -> None:
    labels = np.full((4, 4, 4), LARGE, np.uint64)
    labels[:, :, ::2] = LARGE + 1
    voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", kind="labels")
    result = command("downsample", f"{tmp_path}/labels.zarr", "--no-data", str(excluded), "--levels", "2")
    assert result.status == 0, result.err
    level = voxome.open(f"{tmp_path}/labels.zarr", level=1)[...]
    assert np.unique(level).tolist() == [2 * LARGE + 1 - excluded]
    (entry,) = (one for one in voxome.provenance(f"{tmp_path}/labels.zarr") if one.service == "downsample")
    assert entry.parameters["no_data"] == excluded


def test_a_value_that_is_no_number_is_refused(command: Command, tmp_path: Path) -> None:
    result = command("downsample", f"{tmp_path}/labels.zarr", "--no-data", "x")
    assert result.status == 2
    assert "'x': expected a number" in result.err
