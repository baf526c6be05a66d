"""Masks and regions cover the voxels of a run, with voxels of any size; those that do not are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.errors import PlanError
from voxome.resources.table import TableFile
from voxome.workflow.verbs import plan

ROOT = Path(__file__).parents[2] / "pipelines"
XRM = ROOT / "xrm" / "cells_vessels.cwl"
SHAPE = (12, 17, 16)
UM = 1000.0
MASK = (np.random.default_rng(3).random((6, 8, 8)) < 0.5).astype(np.uint8)
"""Of voxels twice as large, without the last half of one along y."""
FINE = np.pad(MASK.repeat(2, 0).repeat(2, 1).repeat(2, 2), ((0, 0), (0, 1), (0, 0)), mode="edge")
pytestmark = pytest.mark.usefixtures("jobs_in_this_process")


def save(path: Path, values: NDArray[Any], size: float | None = UM, offset: float = 0.0) -> Path:
    sizes = None if size is None else (size,) * 3
    spec = VolumeSpec.of(values.shape, str(values.dtype), voxel_size_nm=sizes, offset_nm=(offset,) * 3)
    voxome.create(f"zarr://{path}", spec)[...] = values
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return save(tmp_path / "raw.zarr", np.random.default_rng(1).integers(0, 255, SHAPE).astype(np.uint8))


def tissue(raw: Path, mask: Path, store: Path, **options: Any) -> NDArray[np.uint8]:
    given = {"image": raw, "mask": mask, "detect": False}
    handles = voxome.tool("common.tissue", given, out=store, engine="sequential", **options)
    return np.asarray(voxome.open(handles["tissue"].uri, expect=voxome.Volume)[...])


@pytest.mark.parametrize("offset", [UM / 2, 0.0], ids=["in the middle", "at the first voxel"])
def test_a_mask_of_larger_voxels_is_that_of_the_voxels_in_them(raw: Path, tmp_path: Path, offset: float) -> None:
    found = tissue(raw, save(tmp_path / "coarse.zarr", MASK, 2 * UM, offset), tmp_path / "a", block=(5, 8, 16))
    if offset:
        np.testing.assert_array_equal(found, tissue(raw, save(tmp_path / "fine.zarr", FINE), tmp_path / "b"))
    part = tissue(raw, tmp_path / "coarse.zarr", tmp_path / "c", box="3:9,:,2:11")
    assert part.shape == (6, 17, 9)


def test_a_mask_of_smaller_voxels_counts_in_the_middle_of_larger_ones(raw: Path, tmp_path: Path) -> None:
    fine = FINE.repeat(3, 0).repeat(3, 1).repeat(3, 2)
    found = tissue(raw, save(tmp_path / "fine.zarr", fine, UM / 3, -UM / 3), tmp_path / "a")
    np.testing.assert_array_equal(found, tissue(raw, save(tmp_path / "same.zarr", FINE), tmp_path / "b"))


@pytest.mark.slow
def test_the_plan_says_that_voxels_differ(raw: Path, tmp_path: Path) -> None:
    mask = save(tmp_path / "coarse.zarr", MASK, 2 * UM, UM / 2)
    warnings = plan(XRM, {"raw": raw, "mask": mask}).warnings
    (warning,) = (one for one in warnings if "coarse.zarr" in one)
    assert "mask (" in warning
    assert "has voxels of 2000,2000,2000 nm (z, y, x): each voxel of the run has the value of the nearest" in warning


@pytest.mark.parametrize(
    ("values", "size", "offset", "problem"),
    [
        (FINE[:8], UM, 0.0, r"mask \(.*\) covers 0:8,0:17,0:16, but the run 0:12,0:17,0:16 .*--box"),
        (MASK[:4], 2 * UM, UM / 2, r"mask \(.*\) covers -2:10,-2:18,-2:18, but the run 0:12,"),
        (MASK, 2 * UM, 40 * UM, r"mask \(.*\) covers 37:.*, but the run 0:12,0:17,0:16"),
        (FINE, 2 * UM, 0.0, "has voxels of 2000,2000,2000 nm, but .* of 1000,1000,1000 nm"),
        (MASK, None, 0.0, "spans 0:6,0:8,0:8, but .* spans 0:12,0:17,0:16"),
    ],
    ids=["a part", "a part, larger voxels", "elsewhere", "a wrong size", "an unknown size"],
)
def test_a_mask_of_other_voxels_than_those_of_the_run_is_refused(
    raw: Path, tmp_path: Path, values: NDArray[Any], size: float | None, offset: float, problem: str
) -> None:
    mask = save(tmp_path / "mask.zarr", values, size, offset)
    with pytest.raises(PlanError, match=problem) as caught:
        tissue(raw, mask, tmp_path / "out")
    assert len(caught.value.problems) == 1


def test_a_mask_that_covers_the_box_of_a_run_suffices(raw: Path, tmp_path: Path) -> None:
    part = save(tmp_path / "part.zarr", FINE[:8])
    found = tissue(raw, part, tmp_path / "a", box="2:6,0:17,0:16")
    np.testing.assert_array_equal(found, tissue(raw, save(tmp_path / "fine.zarr", FINE), tmp_path / "b")[2:6])


def test_a_mask_without_the_level_of_the_run_is_read_at_its_finest(raw: Path, tmp_path: Path) -> None:
    voxome.downsample(raw, levels=2, factors=(2, 2, 2))
    mask = save(tmp_path / "mask.zarr", np.pad(MASK, ((0, 0), (0, 1), (0, 0))).repeat(2, 0).repeat(2, 1).repeat(2, 2))
    found = tissue(raw, mask, tmp_path / "a", level=1)
    coarse = save(tmp_path / "coarse.zarr", np.pad(MASK, ((0, 0), (0, 1), (0, 0))), 2 * UM, UM / 2)
    np.testing.assert_array_equal(found, tissue(raw, coarse, tmp_path / "b", level=1))


def test_a_mask_whose_level_has_other_voxels_than_the_run_is_read_at_its_finest(raw: Path, tmp_path: Path) -> None:
    voxome.downsample(raw, levels=2, factors=(2, 2, 2))
    coarse = save(tmp_path / "coarse.zarr", np.pad(MASK, ((0, 0), (0, 1), (0, 0))), 2 * UM, UM / 2)
    before = tissue(raw, coarse, tmp_path / "a", level=1)
    voxome.downsample(coarse, levels=2, factors=(2, 2, 2))
    np.testing.assert_array_equal(tissue(raw, coarse, tmp_path / "b", level=1), before)


def test_the_size_of_the_run_is_that_of_a_mask_with_the_same_voxels(raw: Path, tmp_path: Path) -> None:
    mask = save(tmp_path / "mask.zarr", FINE)
    found = tissue(raw, mask, tmp_path / "a", voxel_size_nm=(900.0,) * 3)
    np.testing.assert_array_equal(found, tissue(raw, mask, tmp_path / "b"))


def test_regions_of_an_atlas_may_have_larger_voxels(raw: Path, tmp_path: Path) -> None:
    atlas = np.where(np.arange(3) < 1, 7, 9).astype(np.uint16) * np.ones((3, 5, 1), np.uint16)
    inputs = {"tissue": save(tmp_path / "tissue.zarr", np.ones(SHAPE, np.uint8)), "grid_um": 4}
    pq.write_table(pa.table({f"{axis}_nm": [UM, 5 * UM] for axis in "zyx"}), tmp_path / "cells.parquet")
    inputs |= {"cells": tmp_path / "cells.parquet", "regions": save(tmp_path / "atlas.zarr", atlas, 6 * UM, 2.5 * UM)}
    options: dict[str, Any] = {"engine": "sequential", "block": (6, 17, 8), "box": "0:10,0:17,0:16"}
    sums = voxome.tool("common.density_sums", inputs, out=tmp_path / "store", **options)
    rows = TableFile(sums["regions"].uri).read()
    assert rows["region"].tolist() == [7, 9]
    assert rows["voxels"].tolist() == [10 * 17 * 6, 10 * 17 * 10]
    assert rows["cells"].tolist() == [2, 0]
