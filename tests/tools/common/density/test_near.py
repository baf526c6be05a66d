"""Rows of tables of positions near a block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.table import TableFile, write_table
from voxome.tools.common.density.grid import DensityGrid, inside, positions_of
from voxome.tools.common.density.near import batches_near
from voxome.tools.common.density_maps import VESSEL_POINTS, _lengths_nm

BOX = Box.of_shape((100, 20, 20))
FRAME = Frame(BOX, BOX, (2000.0, 1000.0, 1000.0), (-700.0, 50.0, 0.0))


def as_table(path: Path, voxels: np.ndarray, branch: np.ndarray, row_group: int) -> TableFile:
    nm = voxels * np.array(FRAME.scale_nm) + np.array(FRAME.offset_nm)
    rows = {"branch_id": branch, **dict(zip(("z_nm", "y_nm", "x_nm"), nm.T, strict=True))}
    write_table(path, rows, VESSEL_POINTS.columns, row_group=row_group)
    return TableFile(path)


def test_only_row_groups_near_a_block_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    voxels = rng.uniform(-0.5, np.array(BOX.shape) - 0.51, (1000, 3))
    voxels = voxels[np.argsort(voxels[:, 0] + rng.uniform(0, 3, 1000))]
    table = as_table(tmp_path / "cells.parquet", voxels, np.zeros(1000, np.uint64), 50)
    grid, box = DensityGrid((1, 1, 1), FRAME), Box((40, 0, 5), (60, 20, 20))
    expected = voxels[inside(grid.voxels_of(positions_of(table.read())), box)]
    rows = [positions_of(rows) for rows in batches_near(table, FRAME, box)]
    found = np.concatenate(rows)
    assert 100 < len(expected) <= len(found) < 400
    assert len(found[inside(grid.voxels_of(found), box)]) == len(expected)


def test_lines_that_leave_the_row_groups_of_a_block_are_cut_at_its_faces(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    steps = rng.normal(0, (3, 1, 1), (600, 3)).cumsum(axis=0)
    voxels = np.abs((steps + np.array(BOX.shape) / 2) % (2 * np.array(BOX.shape)) - np.array(BOX.shape))
    branch = np.repeat(np.arange(3, dtype=np.uint64), 200)
    whole, parts = (as_table(tmp_path / f"{n}.parquet", voxels, branch, n) for n in (600, 7))
    grid = DensityGrid((10, 10, 10), FRAME)
    total = 0.0
    for z in range(10):
        cells = Box((z, 0, 0), (z + 1, 2, 2))
        lengths = _lengths_nm(parts, grid, cells)
        np.testing.assert_allclose(lengths, _lengths_nm(whole, grid, cells))
        total += lengths.sum()
    nm = voxels.reshape(3, 200, 3) * np.array(FRAME.scale_nm)
    assert 0.8 < total / np.linalg.norm(np.diff(nm, axis=1), axis=2).sum() <= 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_table_of_another_volume_is_refused_and_one_of_another_block_is_not(axis: int, tmp_path: Path) -> None:
    voxels, block = np.full((5, 3), 9.0), Box((40, 0, 5), (60, 20, 20))
    table = as_table(tmp_path / "here.parquet", voxels, np.zeros(5, np.uint64), 50)
    assert not list(batches_near(table, FRAME, block))
    empty = as_table(tmp_path / "empty.parquet", voxels[:0], np.zeros(0, np.uint64), 50)
    assert not list(batches_near(empty, FRAME, block))
    voxels[:, axis] = 1000
    table = as_table(tmp_path / "there.parquet", voxels, np.zeros(5, np.uint64), 50)
    with pytest.raises(InvalidInput, match=f"has {'zyx'[axis]}_nm from .* but the volume is from .*in nm"):
        list(batches_near(table, FRAME, block))
