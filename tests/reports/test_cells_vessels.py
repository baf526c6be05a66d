"""Figures of the report on cells and vessels."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile

import voxome
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.provenance import Provenance
from voxome.contracts.report import FinishedRun, Result
from voxome.contracts.run_record import RunRecord
from voxome.contracts.spec import VolumeSpec
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.remotes.image_stacks import StackSource
from voxome.reports.blank_areas import blank_facts
from voxome.reports.cell_pictures import CellSlice, cell_slices
from voxome.reports.cell_planes import cell_planes, z_stretch
from voxome.reports.cells_vessels import CellsVesselsReport, absence_facts, brightness_facts
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
    planes = list(
        cell_planes(
            results["probability"].uri, results, {**cell, "radius_nm": np.array([5e3])}, frame, z_stretch(results)
        )
    )
    assert [one.caption for one in planes] == ["z = 1", "z = 5", "z = 8", "y = 10, z points down"]
    assert [len(one.rings) for one in planes] == [1, 1, 1, 1]
    np.testing.assert_allclose(planes[1].rings, [[10.5, 12.5, 5, 5]])
    np.testing.assert_allclose(planes[2].rings, [[10.5, 12.5, 4, 4]])  # 6 of 10 µm from the middle
    np.testing.assert_allclose(planes[3].rings, [[5.5, 12.5, 5, 5]])
    assert planes[3].raw.shape == (10, 30)
    assert planes[3].size_nm == (20e3, 30e3)


def test_a_side_view_of_a_stack_reads_few_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, sections = finished_run(tmp_path), []
    (tmp_path / "stack").mkdir()
    for z in range(BOX.shape[0]):
        tifffile.imwrite(tmp_path / f"stack/{z:02d}.tif", np.full((20, 30), 100, np.uint8), compression="zlib")
    monkeypatch.setattr("voxome.reports.run_facts.MAX_READ", 4 * 20 * 30 + 1)
    decode = StackSource._section
    monkeypatch.setattr(StackSource, "_section", lambda self, index: [sections.append(index), decode(self, index)][1])
    stack = f"images://{tmp_path}/stack"
    *_, side = cell_planes(stack, run.results, cells(3), FRAME)
    assert side.caption == "y = 10, z points down, the middle 4 × 30 voxels"
    assert sections[3:] == [3, 4, 5, 6]
    assert side.raw.shape == side.tissue.shape == side.probability.shape == (4, 30)
    monkeypatch.undo()
    *_, whole = cell_planes(stack, run.results, cells(3), FRAME)
    assert whole.caption == "y = 10, z points down"


def test_a_volume_whose_provenance_lacks_the_tool_is_refused(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/labels.zarr", VolumeSpec.of((1, 2, 3), "uint64"))
    labels = Result("volume", f"zarr://{tmp_path}/labels.zarr")
    with pytest.raises(NotFound, match=r"does not say how common\.spheres made it"):
        parameters_of("common.spheres", labels, ["z_stretch"])
    made = Provenance.now("run", "local", "common.spheres", "1", {})
    record(voxome.open(labels.uri, mode="r+").source, made, name="labels")
    with pytest.raises(NotFound, match=r"does not say z_stretch of common\.spheres"):
        parameters_of("common.spheres", labels, ["z_stretch"])


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


def test_a_run_without_cells_or_vessels_says_what_to_set() -> None:
    assert absence_facts({"cells": 3, "vessel branches": 0}).keys() == {"no vessels"}
    assert "cell_low" in absence_facts({"cells": 0})["no cells"]
    assert absence_facts({"cells": 0, "tissue, mm³": 0.0, "vessel branches": 0}) == {}
    assert absence_facts({"cells": 3, "vessel branches": 2}) == absence_facts({"cells": 3}) == {}


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


ARRAYS = {"probability": 3, "tissue": 1, "vessel_mask": 0, "vessel_map": 0, "cell_labels": 0, "density": 5}
"""Results that are arrays, and their voxels."""
CONTRAST = {"background_um": 5.0, "smoothing_um": 0.0, "background_z_um": None}


def finished_run(folder: Path) -> FinishedRun:
    """Return a run of xrm.cells_vessels with few voxels."""
    results = {}
    tools = {
        "common.spheres": ({"z_stretch": 1.0}, ["cell_labels"]),
        "common.local_contrast": (CONTRAST, ["probability", "vessel_map"]),
    }
    made = {
        name: Provenance.now("run", "local", tool, "1", settings)
        for tool, (settings, of) in tools.items()
        for name in of
    }
    for name, value in {**ARRAYS, "raw": 100}.items():
        dtype = "float32" if name == "density" else "uint8"
        uri = f"zarr://{folder}/{name}.zarr"
        volume = voxome.create(uri, VolumeSpec.of(BOX.shape, dtype, voxel_size_nm=FRAME.voxel_size_nm))
        volume[...] = value
        if name in made:
            record(volume.source, made[name], name=name)
        results[name] = Result("volume", uri, FRAME)
    line = {"branch_id": np.array([1, 1, 2, 2], np.uint64), **{f"{axis}_nm": np.arange(4) * 1e3 for axis in "zyx"}}
    z = np.arange(BOX.shape[0])
    tables = {
        "cells": cells(3),
        "vessels": {"length_nm": np.array([2e3, 3e3]), "radius_nm": np.array([500.0, 600.0])},
        "vessel_points": line,
        "sections": {"z": z, "voxels": 0 * z + 600, "missing": 0 * z, "bridged": 0 * z},
        "region_densities": {"tissue_mm3": np.array([6e-6]), "cells": np.array([3])},
    }
    for name, rows in tables.items():
        pq.write_table(pa.table(rows), folder / f"{name}.parquet")
        results[name] = Result("table", str(folder / f"{name}.parquet"), FRAME)
    raw = Handle("volume", results.pop("raw").uri).to_json()
    known = {"workflow": "w", "inputs": {"raw": raw}, "engines": [], "versions": {}, "warnings": [], "steps": []}
    return FinishedRun(folder, cast("RunRecord", known), results, is_moved=True)


def test_a_whole_run_has_all_parts(tmp_path: Path) -> None:
    summary = CellsVesselsReport().write(finished_run(tmp_path))
    assert (summary["cells"], summary["vessel branches"]) == (3, 2)
    assert not [name for name in summary if "not in this report" in name]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f"<h2>{one}" in page for one in ("Slices", "Cells and vessels in space", "Density", "Sizes of cells"))


@pytest.mark.parametrize(
    ("lost", "part", "heading"),
    [
        ("cells.parquet", "cells", "Cells and vessels in space"),
        ("vessels.parquet", "length of vessels", ""),
        ("vessel_points.parquet", "lines of vessels", ""),
        ("sections.parquet", "whether sections are missing", ""),
        ("region_densities.parquet", "cells per mm³", ""),
        ("raw.zarr", "slices, and what only they show", "Slices"),
        ("probability.zarr", "slices, and what only they show", "Slices"),
        ("density.zarr", "density of cells", "Density of cells"),
        ("cell_labels.zarr", "length of cells along z (drawn as spheres)", ""),
        ("vessel_map.zarr", "whether vessels are too wide", ""),
    ],
)
@pytest.mark.parametrize("how", ["removed", "damaged"])
def test_what_is_lost_after_a_run_is_named_and_the_rest_is_shown(
    tmp_path: Path, lost: str, part: str, heading: str, how: str
) -> None:
    run, path = finished_run(tmp_path), tmp_path / lost
    if how == "removed":
        path.rename(tmp_path / "elsewhere")
    else:
        (path / "zarr.json" if path.is_dir() else path).write_bytes(b"{")
    summary = CellsVesselsReport().write(run)
    assert f"not in this report: {part}" in summary
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"not in this report: {part}" in page
    assert not heading or f"<h2>{heading}" not in page
    assert "<h2>Run" in page


@pytest.mark.parametrize(
    ("grey", "text"),
    [(0, "^0, in most such pixels"), (157, "^157, in"), (255, "^255, the largest of 8 bits, .* original")],
)
def test_what_is_seen_without_data_is_named(grey: int, text: str) -> None:
    shown = np.full((20, 30), grey, np.uint8)
    blank = np.indices(shown.shape)[1] < 10
    one = CellSlice("z = 1", shown, shown, grey < shown, ~blank, np.empty((0, 4)), (1000.0, 1000.0))
    assert re.search(text, blank_facts([one])["grey value without data"])
    noise = np.random.default_rng(1).integers(0, 255, shown.shape).astype(np.uint8)
    assert (
        blank_facts([replace(one, raw=noise)])
        == blank_facts([replace(one, tissue=shown >= 0)])
        == blank_facts([])
        == {}
    )


def test_of_many_pixels_without_data_few_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, looked_at = np.full((20, 30), 7, np.uint8), []
    one = CellSlice("z = 1", shown, shown, shown < 0, shown < 0, np.empty((0, 4)), (1000.0, 1000.0))
    monkeypatch.setattr("voxome.reports.blank_areas._MOST_PIXELS", 10)
    monkeypatch.setattr("voxome.reports.blank_areas.most_frequent", lambda values: [looked_at.append(values), "7"][1])
    assert blank_facts([one, one])
    assert [len(values) for values in looked_at] == [10]


def test_settings_that_provenance_lacks_are_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    for name in ("probability", "vessel_map", "cell_labels"):
        shutil.copytree(tmp_path / "vessel_mask.zarr", tmp_path / f"{name}.zarr", dirs_exist_ok=True)
    summary = CellsVesselsReport().write(run)
    reasons = [text for name, text in summary.items() if "not in this report" in name]
    assert len(reasons) == 3
    assert all("does not say how common." in str(text) for text in reasons)
    assert "<h2>Slices" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_table_without_rows_or_with_other_columns_is_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    sections = pq.read_table(tmp_path / "sections.parquet")
    pq.write_table(sections.slice(0, 0), tmp_path / "sections.parquet")
    pq.write_table(pa.table({"id": [1]}), tmp_path / "cells.parquet")
    pq.write_table(pq.read_table(tmp_path / "vessels.parquet").slice(0, 0), tmp_path / "vessels.parquet")
    summary = CellsVesselsReport().write(run)
    assert "no column z_nm, y_nm, x_nm, radius_nm" in str(summary["not in this report: cells"])
    assert "cells" not in summary
    assert "no rows" in str(summary["missing sections"])
    assert "none found" in str(summary["no vessels"])
