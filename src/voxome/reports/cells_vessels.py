"""The report of the pipelines of cells and vessels: slices, a map in space, densities, sizes, scores, times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import cast

import numpy as np

from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Rows
from voxome.contracts.report import FinishedRun, Results
from voxome.contracts.run_record import JsonValue
from voxome.reports.bands import band_facts
from voxome.reports.blank_areas import blank_facts
from voxome.reports.cell_pictures import CellSlice, cell_slices
from voxome.reports.cell_planes import cell_planes, z_stretch
from voxome.reports.gaps import gap_facts
from voxome.reports.heat import density_section
from voxome.reports.omissions import Omissions, read_columns
from voxome.reports.page import cost_card, fact_card, html_document, score_card, section, total_tiles
from voxome.reports.radii import radius_histogram
from voxome.reports.run_facts import dimensions, parameters_of, run_facts, step_costs
from voxome.reports.space import space_section
from voxome.reports.stacked_cells import stack_facts
from voxome.reports.wide_vessels import level_sections, wide_vessel_facts
from voxome.storage.atomic import write_file

_NEEDED = ("cells", "probability", "density", "density_table", "region_densities", "sections", "tissue")

_CONTRAST = "common.local_contrast"
_WINDOW = ("background_um", "background_z_um", "smoothing_um")
_SECTIONS = ("z", "voxels", "missing", "bridged")
_POSITION = ("z_nm", "y_nm", "x_nm")
_CELLS = ("id", *_POSITION, "radius_nm")
_POINTS = ("branch_id", *_POSITION)
_NO_CELLS: Rows = {"id": np.empty(0, np.uint64), **{name: np.empty(0) for name in _CELLS[1:]}}


class CellsVesselsReport:
    """Writes ``report.html``: cells and, if there are any, vessels."""

    def check(self, inputs: Iterable[str], results: Results) -> Iterable[str]:
        """Return the problems of a run that lacks an input or result which the report shows."""
        for name in sorted({"raw"} - set(inputs)):
            yield f"the report common.cells_vessels shows the workflow input {name!r}, which the workflow does not have"
        for name in sorted(set(_NEEDED) - set(results)):
            yield f"the report common.cells_vessels shows the workflow output {name!r}, which the workflow lacks"

    def write(self, run: FinishedRun) -> dict[str, int | float | str]:
        """Write the report into the run folder, and return the numbers of objects and densities."""
        results, record, omissions = run.results, run.record, Omissions()
        frame = results["probability"].frame
        assert frame is not None
        raw = Handle.from_json(cast("dict[str, JsonValue]", record["inputs"]["raw"])).uri
        cells = omissions.attempt("cells", partial(read_columns, results["cells"].uri, _CELLS), None)
        points = omissions.attempt("lines of vessels", partial(_points, results), None)
        stretch = omissions.attempt("length of cells along z (drawn as spheres)", partial(z_stretch, results), 1.0)
        shown = _NO_CELLS if cells is None else cells
        planes = omissions.attempt("slices, and what only they show", lambda: _planes(raw, results, shown, stretch), ())
        totals = _totals(results, cells, omissions)
        density = omissions.attempt("density of cells", partial(density_section, results["density"].uri), "")
        notes = {
            **_notes(run, planes, omissions),
            **blank_facts(planes),
            **stack_facts(shown),
            **absence_facts(totals),
            **omissions.facts(),
        }
        parts = [
            total_tiles({name: _number(value) for name, value in totals.items()}),
            _viewer(run.view_command),
            section("Notes", fact_card(notes)),
            section("Slices", cell_slices(planes) if planes else ""),
            section(
                "Cells and vessels in space" if points else "Cells in space",
                "" if cells is None else space_section(cells, points, frame),
            ),
            section("Density of cells", density),
            section("Sizes of cells, of the radii searched", radius_histogram(shown["radius_nm"] / 1000)),
            section("Scores against the truth", score_card(record.get("scores"))),
            section("Time and memory", cost_card(step_costs(record))),
            section("Run", fact_card(run_facts(record, raw, frame))),
        ]
        subtitle = "; ".join(f"{name} {text}" for name, text in dimensions(frame).items())
        page = html_document(run.title, subtitle, parts)
        write_file(run.folder / "report.html", page)
        return {**totals, **notes}


def _viewer(command: str) -> str:
    return f'<p class="note">In Neuroglancer: <code>{command}</code>.</p>' if command else ""


def _planes(raw: str, results: Results, cells: Rows, stretch: float) -> Sequence[CellSlice]:
    frame = results["probability"].frame
    assert frame is not None
    return list(cell_planes(raw, results, cells, frame, stretch))


def _notes(run: FinishedRun, planes: Sequence[CellSlice], omissions: Omissions) -> dict[str, str]:
    """Return what is missing in the image, and which settings do not suit it, as far as that is known."""
    facts: Mapping[str, Callable[[], dict[str, str]]] = {
        "whether sections are missing": lambda: gap_facts(read_columns(run.results["sections"].uri, _SECTIONS)),
        "whether sections differ in brightness": partial(brightness_facts, run, planes),
        "whether vessels are too wide": partial(_width_facts, run, planes),
    }
    notes: dict[str, str] = {}
    for part, find in facts.items():
        notes |= omissions.attempt(part, find, {})
    return notes


def _totals(results: Results, cells: Rows | None, omissions: Omissions) -> dict[str, int | float]:
    """Return the numbers of objects and densities, as far as they are known."""
    totals: dict[str, int | float] = {} if cells is None else {"cells": len(cells["id"])}
    densities = partial(_cell_density, results["region_densities"].uri)
    totals |= omissions.attempt("cells per mm³", densities, {})
    if "vessels" in results:
        totals |= omissions.attempt("length of vessels", partial(_vessel_length, results["vessels"].uri), {})
    return totals


def _cell_density(uri: str) -> dict[str, int | float]:
    whole = {name: float(values.sum()) for name, values in read_columns(uri, ["tissue_mm3", "cells"]).items()}
    tissue = whole["tissue_mm3"]
    return {"tissue, mm³": tissue} | ({"cells per mm³": whole["cells"] / tissue} if tissue else {})


def _vessel_length(uri: str) -> dict[str, int | float]:
    length_nm = read_columns(uri, ["length_nm"])["length_nm"]
    return {"vessel branches": len(length_nm), "length of vessels, mm": float(length_nm.sum()) / 1e6}


def absence_facts(totals: Mapping[str, int | float]) -> dict[str, str]:
    """Return what to do if a run found no cell in tissue, or no vessel and looks for them."""
    if totals.get("tissue, mm³") == 0:
        return {}
    names = {
        "no cells": (totals.get("cells"), "radii_um, cell_low, min_score and, for light microscopy, polarity"),
        "no vessels": (totals.get("vessel branches"), "vessel_background_um"),
    }
    return {
        name: f"none found; if the volume has some, see {settings} in docs/cells-vessels.md"
        for name, (count, settings) in names.items()
        if count == 0
    }


def brightness_facts(run: FinishedRun, planes: Sequence[CellSlice]) -> dict[str, str]:
    """Return whether sections differ in brightness, of a pipeline that has settings for that which are not used yet."""
    inputs = run.record["inputs"]
    if "vessel_map" not in run.results or (inputs.get("cell_probability") and inputs.get("vessel_probability")):
        return {}
    settings = parameters_of(
        _CONTRAST, run.results["probability"], ["background_z_um", "background_um", "smoothing_um"]
    )
    if settings["background_z_um"]:
        return {}
    frame = run.results["probability"].frame
    depth_nm = 0.0 if frame is None else frame.box.shape[0] * frame.scale_nm[0]
    return band_facts(planes, settings["background_um"], settings["smoothing_um"], depth_nm)


def _width_facts(run: FinishedRun, planes: Sequence[CellSlice]) -> dict[str, str]:
    """Return whether vessels are too wide for their contrast; a classifier has no such limit."""
    if not {"vessels", "vessel_map"} <= run.results.keys() or run.record["inputs"].get("vessel_probability"):
        return {}
    radius_nm = read_columns(run.results["vessels"].uri, ["radius_nm"])["radius_nm"]
    settings = parameters_of(_CONTRAST, run.results["vessel_map"], ["background_um"])
    shown = [level_sections(one) for one in planes] if settings["background_z_um"] else planes
    return wide_vessel_facts(radius_nm, shown, settings["background_um"])


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _points(results: Results) -> Rows | None:
    return read_columns(results["vessel_points"].uri, _POINTS) if "vessel_points" in results else None
