"""Densities, distances and sizes as tools: what they measure, and that blocks do not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, PlanError, VoxomeError
from voxome.resources.table import TableFile, write_table
from voxome.workflow.invariance import check_invariance

pytestmark = pytest.mark.slow

SHAPE = (30, 60, 90)
SIZE_NM = (5000.0, 2000.0, 1000.0)
OFFSET_NM = (700.0, -300.0, 50.0)
VOXEL_MM3 = 1e-8
TISSUE = np.ones(SHAPE, np.uint8)
TISSUE[:, :, 70:] = 0
TISSUE[10:14, :20, :20] = 2
VESSELS = np.zeros(SHAPE, np.uint8)
VESSELS[:, 30:34, 40:48] = 1
REGIONS = np.zeros(SHAPE, np.uint64)
REGIONS[:15], REGIONS[15:, :30] = 7, 2**63 + 1
RNG = np.random.default_rng(8)
INDEX = np.stack([RNG.integers(0, n, 3000) for n in SHAPE], axis=1)
POSITION = np.array(OFFSET_NM) + (INDEX + RNG.uniform(-0.5, 0.49, INDEX.shape)) * np.array(SIZE_NM)
IN_TISSUE = TISSUE[tuple(INDEX.T)] > 0
LINE_UM = np.array([[1.0, 5, 5], [140, 110, 60], [140, 5, 60]])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("density")
    uris = {}
    for name, array, kind in (
        ("tissue", TISSUE, "image"),
        ("vessels", VESSELS, "image"),
        ("regions", REGIONS, "labels"),
    ):
        uris[name] = f"zarr://{folder}/{name}.zarr"
        spec = voxome.VolumeSpec.of(SHAPE, array.dtype, voxel_size_nm=SIZE_NM, offset_nm=OFFSET_NM, kind=kind)
        voxome.create(uris[name], spec)[...] = array
    columns = {name: POSITION[:, axis] for axis, name in enumerate(("z_nm", "y_nm", "x_nm"))}
    rows = {"id": np.arange(3000, dtype=np.uint64), **columns, "radius_nm": RNG.uniform(3000, 6000, 3000)}
    uris["cells"] = str(folder / "cells.parquet")
    write_table(uris["cells"], rows, {"id": "uint64", **dict.fromkeys([*columns, "radius_nm"], "float64")})
    line = np.concatenate([LINE_UM, LINE_UM[::-1] + 1]) * 1000
    points = {name: line[:, axis] for axis, name in enumerate(columns)}
    uris["points"] = str(folder / "points.parquet")
    branch = np.repeat(np.arange(2, dtype=np.uint64), 3)
    write_table(
        uris["points"], {"branch_id": branch, **points}, {"branch_id": "uint64", **dict.fromkeys(columns, "float64")}
    )
    return uris


def run(name: str, out: Path, given: dict[str, Any], *, workers: int = 1, **options: Any) -> Any:
    return voxome.tool(name, given, out=str(out), workers=workers, **options)


def chosen(inputs: dict[str, str], *names: str) -> dict[str, Any]:
    return {name: inputs[name] for name in names}


@pytest.fixture(scope="module")
def sums(inputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    given = {**chosen(inputs, "tissue", "cells", "vessels", "regions"), "grid_um": 20}
    return dict(run("common.density_sums", tmp_path_factory.mktemp("sums"), given, block=(16, 32, 32)))


def test_sums_count_all_cells_and_voxels_once(sums: dict[str, Any]) -> None:
    for output in ("grid", "regions"):
        rows = TableFile(sums[output].uri).read()
        totals = {name: int(rows[name].sum()) for name in ("voxels", "tissue", "examined", "vessels")}
        tissue = int((TISSUE > 0).sum())
        assert totals == {
            "voxels": TISSUE.size,
            "tissue": tissue,
            "examined": tissue,
            "vessels": int(VESSELS.sum()),
        }
        assert (rows["cells"].sum(), rows["cells_without_tissue"].sum()) == (IN_TISSUE.sum(), (~IN_TISSUE).sum())


def test_regions_have_the_density_of_their_cells(sums: dict[str, Any], tmp_path: Path) -> None:
    rows = TableFile(run("common.region_densities", tmp_path, {"regions": sums["regions"]})["result"].uri).read()
    assert rows["region"].tolist() == [0, 7, 2**63 + 1]
    for number, region in enumerate(rows["region"].tolist()):
        mask = region == REGIONS
        cells = int((IN_TISSUE & (REGIONS[tuple(INDEX.T)] == region)).sum())
        volume = (mask & (TISSUE > 0)).sum() * VOXEL_MM3
        assert rows["cells"][number] == cells
        assert rows["density_per_mm3"][number] == pytest.approx(cells / volume)
        assert rows["density_low"][number] < cells / volume < rows["density_high"][number]
        assert rows["vessel_fraction"][number] == pytest.approx(VESSELS[mask].sum() / (mask & (TISSUE > 0)).sum())


def test_maps_have_the_voxel_size_and_offset_of_the_grid(
    inputs: dict[str, str], sums: dict[str, Any], tmp_path: Path
) -> None:
    given = {**chosen(inputs, "tissue"), "grid": sums["grid"], "vessel_points": inputs["points"], "grid_um": 20}
    found = run("common.density", tmp_path, {**given, "bandwidth_um": 0})
    volume = voxome.open(found["density"].uri)
    assert volume.spec.voxel_size_nm == (20_000, 20_000, 20_000)
    assert volume.spec.offset_nm == pytest.approx((700 + 1.5 * 5000, -300 + 4.5 * 2000, 50 + 9.5 * 1000))
    density = np.asarray(volume)
    assert density.shape == (8, 6, 5)
    cell = (IN_TISSUE & ((INDEX // [4, 10, 20]) == [3, 2, 1]).all(axis=1)).sum()
    assert density[3, 2, 1] == pytest.approx(cell / 8e-6)
    assert np.isnan(density[:, :, 4]).all()
    assert not np.isnan(density[:, :, :4]).any()
    rows = TableFile(found["table"].uri).read()
    assert (rows["cells"].sum(), rows["tissue_mm3"].sum()) == (
        IN_TISSUE.sum(),
        pytest.approx((TISSUE > 0).sum() * VOXEL_MM3),
    )
    fraction = np.asarray(voxome.open(found["vessel_fraction"].uri))
    assert fraction[0, 3, 2] == pytest.approx(4 * 8 / 200)
    length = np.nansum(rows["vessel_mm_per_mm3"] * rows["tissue_mm3"])
    assert length == pytest.approx(2 * np.linalg.norm(np.diff(LINE_UM, axis=0), axis=1).sum() / 1000, rel=1e-6)


def test_the_kernel_keeps_the_mean_density(inputs: dict[str, str], sums: dict[str, Any], tmp_path: Path) -> None:
    given = {**chosen(inputs, "tissue"), "grid": sums["grid"], "grid_um": 20, "bandwidth_um": 40}
    rows = TableFile(run("common.density", tmp_path, given)["table"].uri).read()
    known = rows["tissue_mm3"] > 0
    expected = IN_TISSUE.sum() / ((TISSUE > 0).sum() * VOXEL_MM3)
    assert rows["density_per_mm3"][known].mean() == pytest.approx(expected, rel=0.05)
    assert (rows["density_low"][known] < rows["density_per_mm3"][known]).all()
    assert np.isnan(rows["vessel_mm_per_mm3"]).all()


@pytest.mark.parametrize(
    ("name", "names", "parameters"),
    [
        ("common.density_sums", ("tissue", "cells", "vessels", "regions"), {"grid_um": 20}),
        ("common.cell_distances", ("tissue", "cells", "vessels", "regions"), {"reach_um": 15}),
        ("common.neighbour_density", ("tissue", "cells"), {"grid_um": 20, "neighbour": 5, "reach_um": 30}),
    ],
)
def test_blocks_do_not_matter(
    inputs: dict[str, str], name: str, names: tuple[str, ...], parameters: dict[str, Any]
) -> None:
    report = check_invariance(name, {**chosen(inputs, *names), **parameters})
    assert report.differences == ()
    assert set(report.not_compared) <= {"density"}  # its values are in the table


def test_blocks_do_not_matter_to_maps(inputs: dict[str, str], sums: dict[str, Any], tmp_path: Path) -> None:
    given = {**chosen(inputs, "tissue"), "grid": sums["grid"], "vessel_points": inputs["points"], "grid_um": 20}
    results = []
    for number, block in enumerate([(64, 64, 128), (16, 30, 60), (12, 20, 40)]):  # 1, 8, 27
        found = run(
            "common.density",
            tmp_path / str(number),
            {**given, "bandwidth_um": 30},
            block=block,
            workers=1 + number // 2,
        )
        arrays = [np.asarray(voxome.open(found[one].uri)) for one in ("density", "vessel_fraction", "vessel_length")]
        results.append([*arrays, *TableFile(found["table"].uri).read().values()])
    for other in results[1:]:
        for one, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(one, expected)


def test_distances_are_to_other_cells_vessels_and_faces(inputs: dict[str, str], tmp_path: Path) -> None:
    given = {**chosen(inputs, "tissue", "cells", "vessels", "regions"), "reach_um": 12}
    rows = TableFile(run("common.cell_distances", tmp_path, given, block=(16, 32, 32))["result"].uri).read()
    assert rows["id"].tolist() == np.flatnonzero(IN_TISSUE).tolist()
    position = POSITION[IN_TISSUE]
    apart = np.linalg.norm(position[:, None] - position[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1) / 1000
    np.testing.assert_allclose(rows["other_um"], np.where(nearest <= 12, nearest, np.nan))
    assert (rows["other_um"] > 0).any()
    voxels = np.array(OFFSET_NM) + np.argwhere(VESSELS) * np.array(SIZE_NM)
    to_vessel = np.array([np.linalg.norm(voxels - one, axis=1).min() for one in position]) / 1000
    to_vessel[VESSELS[tuple(INDEX[IN_TISSUE].T)] > 0] = 0
    np.testing.assert_allclose(rows["vessel_um"], np.where(to_vessel <= 12, to_vessel, np.nan))
    corner = np.array(OFFSET_NM) - np.array(SIZE_NM) / 2
    extent = np.array(SHAPE) * np.array(SIZE_NM)
    np.testing.assert_allclose(
        rows["face_um"], np.minimum(position - corner, corner + extent - position).min(axis=1) / 1000, atol=1e-9
    )
    assert (rows["region"] == REGIONS[tuple(INDEX[IN_TISSUE].T)]).all()


def test_a_cell_is_not_its_own_neighbour_but_one_at_the_same_place_is(inputs: dict[str, str], tmp_path: Path) -> None:
    columns = {"id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64"}
    place = np.array([20e3, 20e3, 90e3, 30e3])
    rows = {"id": np.array([3, 4, 9, 11]), "z_nm": place, "y_nm": place, "x_nm": np.array([2e4, 2e4, 1e4, 6e4])}
    write_table(tmp_path / "cells.parquet", rows, columns)
    given = {**chosen(inputs, "tissue"), "cells": str(tmp_path / "cells.parquet"), "reach_um": 30}
    found = TableFile(run("common.cell_distances", tmp_path / "o", given)["result"].uri).read()
    np.testing.assert_array_equal(found["other_um"], [0, 0, np.nan, np.nan])
    assert np.isnan(found["vessel_um"]).all()


def test_neighbours_give_the_density_of_uniform_cells(inputs: dict[str, str], tmp_path: Path) -> None:
    given = {**chosen(inputs, "tissue", "cells"), "grid_um": 20, "neighbour": 20, "reach_um": 40}
    rows = TableFile(run("common.neighbour_density", tmp_path, given)["table"].uri).read()
    known = ~np.isnan(rows["density_per_mm3"])
    assert known.reshape(8, 6, 5)[:, :, :4].all()
    assert not known.reshape(8, 6, 5)[:, :, 4].any()
    expected = IN_TISSUE.sum() / ((TISSUE > 0).sum() * VOXEL_MM3)
    assert rows["density_per_mm3"][known].mean() == pytest.approx(expected, rel=0.05)
    covered = (rows["density_low"] <= expected) & (rows["density_high"] >= expected)
    assert covered[known].mean() > 0.85


def test_sizes_are_counted_in_bins(inputs: dict[str, str], tmp_path: Path) -> None:
    found = run("common.cell_sizes", tmp_path, {"cells": inputs["cells"], "bin_um": 0.25})
    rows = TableFile(found["result"].uri).read()
    radius = TableFile(inputs["cells"]).read(["radius_nm"])["radius_nm"] / 1000
    counts, edges = np.histogram(radius, np.arange(3, 6.01, 0.25))
    assert rows["cells"].tolist() == counts.tolist()
    assert rows["radius_from_um"].tolist() == edges[:-1].tolist()
    assert rows["share"].sum() == pytest.approx(1)


def test_sums_of_another_grid_or_box_are_refused(inputs: dict[str, str], sums: dict[str, Any], tmp_path: Path) -> None:
    given = {**chosen(inputs, "tissue"), "grid": sums["grid"]}
    with pytest.raises(VoxomeError, match="has other cells than a grid of 6,15,30 voxels"):
        run("common.density", tmp_path / "a", {**given, "grid_um": 30})
    with pytest.raises(VoxomeError, match="with the same grid_um and box"):
        run("common.density", tmp_path / "b", {**given, "grid_um": 20}, box="0:22,:,:")
    with pytest.raises(PlanError, match="set grid_um alone"):
        run("common.density", tmp_path / "c", {**given, "grid_um": 20, "factors": "4,10,21"})


def test_a_run_of_a_part_has_the_density_of_the_part(inputs: dict[str, str], tmp_path: Path) -> None:
    part = "0:22,5:,:"
    given = {**chosen(inputs, "tissue", "cells"), "grid_um": 20}
    sums = run("common.density_sums", tmp_path / "sums", given, box=part)
    rows = TableFile(sums["grid"].uri).read()
    inside = IN_TISSUE & (INDEX[:, 0] < 22) & (INDEX[:, 1] >= 5)
    assert rows["cells"].sum() == inside.sum()
    given = {**chosen(inputs, "tissue"), "grid": sums["grid"], "grid_um": 20, "bandwidth_um": 0}
    found = TableFile(run("common.density", tmp_path / "map", given, box=part)["table"].uri).read()
    assert np.nansum(found["density_per_mm3"] * found["tissue_mm3"]) == pytest.approx(inside.sum())


@pytest.mark.parametrize("tool", ["common.density_sums", "common.cell_distances"])
def test_negative_regions_are_refused(tool: str, inputs: dict[str, str], tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/regions.zarr"
    spec = voxome.VolumeSpec.of(SHAPE, "int16", voxel_size_nm=SIZE_NM, offset_nm=OFFSET_NM, kind="labels")
    voxome.create(uri, spec)[...] = -1
    with pytest.raises(VoxomeError, match="the label -1; expected labels of at least 0"):
        run(tool, tmp_path / "out", {**chosen(inputs, "tissue", "cells"), "regions": uri})


def test_an_unknown_voxel_size_is_refused(inputs: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"voxel size of tissue \(.*\) is unknown"):
        run("common.density_sums", tmp_path / "a", {"tissue": TISSUE, "cells": inputs["cells"]})
    with pytest.raises((PlanError, InvalidInput), match=r"voxel size of tissue \(.*\) is unknown"):
        run("common.neighbour_density", tmp_path / "b", {"tissue": TISSUE, "cells": inputs["cells"]})
