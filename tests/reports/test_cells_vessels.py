"""Figures of the report on cells and vessels."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import voxome
from voxome.contracts.frame import Frame
from voxome.contracts.provenance import Provenance
from voxome.contracts.report import FinishedRun, Result
from voxome.contracts.run_record import RunRecord
from voxome.contracts.spec import VolumeSpec
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.reports.cell_pictures import CellSlice, cell_slices
from voxome.reports.cell_planes import cell_planes
from voxome.reports.cells_vessels import CellsVesselsReport, brightness_facts, vessel_facts
from voxome.reports.heat import density_section
from voxome.reports.radii import radius_histogram
from voxome.reports.run_facts import parameters_of
from voxome.reports.space import MOST_CELLS, space_section
from voxome.reports.stacked_cells import stack_facts
from voxome.resources.provenance import record

BOX = Box((0, 0, 0), (10, 20, 30))
FRAME = Frame(BOX, BOX, (1000.0, 1000.0, 1000.0), (0.0, 0.0, 0.0))


def cells(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    places = {f"{axis}_nm": rng.uniform(0, 9000, count) for axis in "zyx"}
    return {"id": np.arange(1, count + 1, dtype=np.uint64), **places, "radius_nm": np.full(count, 800.0)}


def test_all_cells_and_vessels_are_drawn() -> None:
    line = {"branch_id": np.array([1, 1, 1, 2, 2], np.uint64)}
    points = {**line, **{f"{axis}_nm": np.arange(5) * 1000.0 for axis in "zyx"}}
    page = space_section(cells(7), points, FRAME)
    assert page.count("<circle") == 7
    assert page.count('class="vessel"') == 2
    assert page.count('class="edge"') == 12
    assert "10 µm × 20 µm × 30 µm" in page
    assert "vessels" not in space_section(cells(0), None, FRAME).split("</svg>")[1]


def test_of_too_many_cells_some_are_drawn_and_the_page_says_so() -> None:
    page = space_section(cells(MOST_CELLS + 5), None, FRAME)
    assert page.count("<circle") == MOST_CELLS
    assert f"{MOST_CELLS:,} of {MOST_CELLS + 5:,} cells are drawn" in page


def test_rings_have_the_radius_of_the_cut() -> None:
    grey = np.zeros((20, 30), np.uint8)
    rings = np.array([[5.0, 6.0, 2.0, 3.0]])
    one = CellSlice("z = 1", grey, grey, grey == 0, grey == 0, rings, (1000.0, 1000.0))
    page = cell_slices([one])
    assert '<ellipse cx="6.0" cy="5.0" rx="3.0" ry="2.0"/>' in page
    assert "vessels are red" in page
    assert page.count("<img") == page.count("aspect-ratio:30000/20000") == 3
    assert "vessels are red" not in cell_slices([replace(one, vessels=grey > 0)])


def test_pictures_of_anisotropic_planes_have_their_shape() -> None:
    grey = np.zeros((20, 30), np.uint8)
    page = cell_slices([CellSlice("y = 1", grey, grey, grey > 0, grey == 0, np.empty((0, 4)), (500.0, 2000.0))])
    assert page.count("aspect-ratio:60000/10000") == 3
    assert "row strips" in page


def test_planes_cut_stretched_cells_from_above_and_from_the_side(tmp_path: Path) -> None:
    size = (2000.0, 1000.0, 1000.0)
    frame = Frame(BOX, BOX, size, (0.0, 0.0, 0.0))
    results = {}
    for name in ("probability", "tissue", "cell_labels"):
        volume = voxome.create(f"zarr://{tmp_path}/{name}.zarr", VolumeSpec.of(BOX.shape, "uint8", voxel_size_nm=size))
        volume[...] = 1
        results[name] = Result("volume", f"zarr://{tmp_path}/{name}.zarr", frame)
        made = Provenance.now("run", "local", "common.spheres", "1", {"z_stretch": 2.0})
        record(volume.source, made, name=name)
    cell = {name: np.array([at]) for name, at in zip(("z_nm", "y_nm", "x_nm"), (10e3, 10e3, 12e3), strict=True)}
    planes = list(cell_planes(results["probability"].uri, results, {**cell, "radius_nm": np.array([5e3])}, frame))
    assert [one.caption for one in planes] == ["z = 1", "z = 5", "z = 8", "y = 10, z points down"]
    assert [len(one.rings) for one in planes] == [1, 1, 1, 1]
    np.testing.assert_allclose(planes[1].rings, [[10.5, 12.5, 5, 5]])
    np.testing.assert_allclose(planes[2].rings, [[10.5, 12.5, 4, 4]])  # 6 of 10 µm from the middle
    np.testing.assert_allclose(planes[3].rings, [[5.5, 12.5, 5, 5]])
    assert planes[3].raw.shape == (10, 30)
    assert planes[3].size_nm == (20e3, 30e3)


def test_a_volume_whose_provenance_lacks_the_tool_is_refused(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/labels.zarr", VolumeSpec.of((1, 2, 3), "uint64"))
    with pytest.raises(NotFound, match=r"does not say how common\.spheres made it"):
        parameters_of("common.spheres", Result("volume", f"zarr://{tmp_path}/labels.zarr"))


def test_radii_are_counted() -> None:
    page = radius_histogram(np.array([5.2, 5.2, 6.5]))
    assert [int(one) for one in re.findall(r">(\d+)</text>", page)] == [2, 1]
    assert radius_histogram(np.empty(0)) == ""
    assert radius_histogram(np.linspace(3, 9, 500)).count("<rect") == 24


def test_a_density_map_without_tissue_has_no_picture(tmp_path: Path) -> None:
    spec = VolumeSpec.of((2, 3, 4), "float32", voxel_size_nm=(1, 1, 1))
    values = np.full((2, 3, 4), np.nan, np.float32)
    volume = voxome.create(f"zarr://{tmp_path}/density.zarr", spec)
    volume[...] = values
    assert density_section(f"zarr://{tmp_path}/density.zarr") == ""
    values[0, 1, 1:3] = 100, 2500
    volume[...] = values
    page = density_section(f"zarr://{tmp_path}/density.zarr")
    assert "From 100 to 2,500 cells" in page
    assert page.count("mean along") == 6


@pytest.mark.parametrize("step", [(13.0, 0, 0), (0, 13.0, 0), (0, 0, 13.0)])
def test_cells_that_were_found_several_times_along_z_are_named(step: tuple[float, float, float]) -> None:
    first = np.random.default_rng(1).uniform(0, 400, (20, 3))
    z, y, x = 1000 * np.concatenate([first, first + step, first + 2 * np.array(step)]).T
    facts = stack_facts({"z_nm": z, "y_nm": y, "x_nm": x, "radius_nm": np.full(60, 6500.0)})
    if step[0]:
        assert re.match(r"\d\d of 60, along y \d, along x \d: .* set z_stretch", facts["cells in line along z"])
    else:
        assert facts == {}


def test_cells_at_random_are_not_in_line() -> None:
    assert stack_facts(cells(400)) == stack_facts(cells(0)) == {}


def test_missing_outputs_are_named_before_the_run() -> None:
    problems = list(CellsVesselsReport().check(["image"], {}))
    assert "workflow input 'raw'" in problems[0]
    assert any("'density'" in problem for problem in problems)


def test_a_run_without_vessels_says_what_to_set() -> None:
    assert vessel_facts({"cells": 3, "vessel branches": 0}).keys() == {"vessels"}
    assert vessel_facts({"cells": 3, "vessel branches": 2}) == vessel_facts({"cells": 3}) == {}


@pytest.mark.parametrize(
    ("background_z_um", "inputs", "names"),
    [
        (None, {}, ["bands along z"]),
        (1.0, {}, []),
        (None, {"cell_probability": {"uri": "a"}}, ["bands along z"]),
        (None, {"cell_probability": {"uri": "a"}, "vessel_probability": {"uri": "a"}}, []),
    ],
    ids=["without a window of a section", "with one", "vessels by contrast", "no contrast"],
)
def test_bands_are_named_where_a_setting_mends_them(
    tmp_path: Path, background_z_um: float | None, inputs: dict[str, object], names: list[str]
) -> None:
    volume = voxome.create(f"zarr://{tmp_path}/map.zarr", VolumeSpec.of((1, 2, 3), "uint8"))
    settings = {"background_um": 5.0, "smoothing_um": 0.0, "background_z_um": background_z_um}
    record(volume.source, Provenance.now("run", "local", "common.local_contrast", "1", settings), name="map")
    results = dict.fromkeys(("probability", "vessel_map"), Result("volume", f"zarr://{tmp_path}/map.zarr"))
    grey = 100 + 40 * np.sin(np.indices((40, 50))[0]) + np.indices((40, 50))[1] % 2
    side = CellSlice("y = 1", grey, grey, grey < 0, grey > 0, np.empty((0, 4)), (1000.0, 1000.0), 1)
    run = FinishedRun(tmp_path, cast("RunRecord", {"inputs": inputs}), results)
    assert list(brightness_facts(run, [side])) == names
    assert brightness_facts(replace(run, results={"probability": results["probability"]}), [side]) == {}
