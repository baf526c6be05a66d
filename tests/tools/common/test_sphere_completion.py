"""Spheres that blocks cannot decide on are completed region by region, none by the whole alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tools.common.blockwise import as_file

import voxome
from voxome.errors import CorruptData
from voxome.kinds.region_table import open_regions
from voxome.resources.rows import empty_rows
from voxome.resources.table import TableFile
from voxome.storage.find import storage_at
from voxome.tools.common.sphere_search import FOUND
from voxome.tools.common.sphere_selection import sphere_selection

PARAMETERS: dict[str, Any] = {"radii_um": [4.0], "gap_um": 0.0, "stop": 0.6}


def searched(shape: tuple[int, int, int], block: tuple[int, int, int], out: Path) -> Any:
    """What the first two tools return in a volume of certainty, where each sphere depends on the one before it."""
    uri = f"zarr://{out}/volume.zarr"
    spec = voxome.VolumeSpec.of(shape, "uint8", voxel_size_nm=(1000.0,) * 3)
    voxome.create(uri, spec)[...] = np.full(shape, 255, np.uint8)
    options: dict[str, Any] = {"out": out, "engine": "sequential", "block": block}
    search = voxome.tool("common.sphere_search", {"probability": uri, **PARAMETERS}, **options)
    return search, voxome.tool("common.sphere_completion", {"probability": uri, **search, **PARAMETERS}, **options)


def regions(handle: Any) -> Any:
    return open_regions(storage_at(handle.uri))


def test_the_last_region_leaves_nothing(tmp_path: Path) -> None:
    search, rest = searched((20, 20, 110), (20, 20, 30), tmp_path)
    completed, left = regions(rest["completed"]), regions(rest["left"])
    assert len(TableFile(search["pending"].uri)) > 0
    assert any(len(left.rows("left", 0, index)["z"]) for index in range(4))
    assert len(left.rows("left", left.levels - 1, 0)["z"]) == 0
    rows = completed.rows("completed", completed.levels - 1, 0)
    assert len(rows["z"]) > 0
    assert len(np.unique(np.stack([rows[name] for name in "zyx"]), axis=1).T) == len(rows["z"])


class OneRegion:
    """The rows of a tree of one region."""

    levels = 1

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def rows(self, output: str, level: int, index: int) -> Any:
        return self._rows


def test_cubes_that_are_left_are_an_error(tmp_path: Path) -> None:
    found = as_file(tmp_path / "found.parquet", empty_rows(FOUND.columns), FOUND.columns)
    cube = {name: np.zeros(1, np.int64) for name in "zyx"}
    with pytest.raises(CorruptData, match="1 cubes undecided in the whole volume"):
        sphere_selection(found=found, completed=OneRegion(empty_rows(FOUND.columns)), left=OneRegion(cube))
