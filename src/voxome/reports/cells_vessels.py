"""The report of the pipelines of cells and vessels: slices, a map in space, densities, sizes, scores, times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import numpy as np

from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Rows
from voxome.contracts.report import FinishedRun, Results
from voxome.contracts.run_record import JsonValue, RunRecord
from voxome.geometry import Box
from voxome.reports.cell_pictures import CellSlice, cell_slices
from voxome.reports.gaps import gap_facts
from voxome.reports.heat import density_section
from voxome.reports.page import cost_card, fact_card, html_document, score_card, section, total_tiles
from voxome.reports.radii import radius_histogram
from voxome.reports.run_facts import dimensions, middle, read_plane, run_facts, step_costs
from voxome.reports.space import space_section
from voxome.reports.stacked_cells import stack_facts
from voxome.resources.table import TableFile
from voxome.storage.atomic import write_file

_NEEDED = ("cells", "probability", "density", "density_table", "region_densities", "sections")
_PLANES = 3
_POSITION = ("z_nm", "y_nm", "x_nm")


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
        results, record = run.results, run.record
        frame = results["probability"].frame
        assert frame is not None
        raw = Handle.from_json(cast("dict[str, JsonValue]", record["inputs"]["raw"])).uri
        cells = TableFile(results["cells"].uri).read()
        totals = _totals(run, cells)
        gaps = gap_facts(TableFile(results["sections"].uri).read())
        notes = {**gaps, **stack_facts(cells), **vessel_facts(totals)}
        parts = [
            total_tiles({name: _number(value) for name, value in totals.items()}),
            _viewer(run.view_command),
            section("Slices", cell_slices(list(_slices(run, raw, cells, frame)))),
            section("Cells and vessels in space", space_section(cells, _points(run), frame)),
            section("Density of cells", density_section(run.results["density"].uri)),
            section("Sizes of cells, of the radii searched", radius_histogram(cells["radius_nm"] / 1000)),
            section("Scores against the truth", score_card(record.get("scores"))),
            section("Time and memory", cost_card(step_costs(record))),
            section("Run", fact_card({**run_facts(record, raw, frame), **notes})),
        ]
        subtitle = "; ".join(f"{name} {text}" for name, text in dimensions(frame).items())
        page = html_document(run.title, subtitle, parts)
        write_file(run.folder / "report.html", page)
        return {**totals, **notes}


def _viewer(command: str) -> str:
    return f'<p class="note">In Neuroglancer: <code>{command}</code>.</p>' if command else ""


def _totals(run: FinishedRun, cells: Rows) -> dict[str, int | float]:
    whole = {name: values.sum() for name, values in TableFile(run.results["region_densities"].uri).read().items()}
    tissue = float(whole["tissue_mm3"])
    totals: dict[str, int | float] = {"cells": len(cells["id"]), "tissue, mm³": tissue}
    if tissue:
        totals["cells per mm³"] = float(whole["cells"]) / tissue
    if "vessels" in run.results:
        length_mm = float(TableFile(run.results["vessels"].uri).read(["length_nm"])["length_nm"].sum()) / 1e6
        totals["vessel branches"] = len(TableFile(run.results["vessels"].uri))
        totals["length of vessels, mm"] = length_mm
    return totals


def vessel_facts(totals: Mapping[str, int | float]) -> dict[str, str]:
    """Return what to do if no vessel was found in a run that looks for them."""
    if totals.get("vessel branches", 1):
        return {}
    return {"vessels": "none found; if the volume has some, see vessel_background_um in docs/cells-vessels.md"}


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _points(run: FinishedRun) -> Rows | None:
    return TableFile(run.results["vessel_points"].uri).read() if "vessel_points" in run.results else None


def _z_stretch(record: RunRecord) -> float:
    """Return the length of cells along z by their width; 1 if the record has no steps, as in other CWL runners."""
    found = (step["parameters"].get("z_stretch", 1.0) for step in record["steps"] if step["tool"] == "common.spheres")
    return float(cast("float", next(found, 1.0)))


def _slices(run: FinishedRun, raw: str, cells: Rows, frame: Frame) -> Iterator[CellSlice]:
    box, results, size, stretch = frame.box, run.results, np.array(frame.scale_nm), _z_stretch(run.record)
    depth, shown = box.shape[0], middle(box)
    index = (np.stack([cells[name] for name in _POSITION], axis=1) - np.array(frame.offset_nm)) / size
    part = "" if shown == box else f", the middle {shown.shape[1]:,} × {shown.shape[2]:,} voxels"
    for z in sorted({box.start[0] + depth * (2 * i + 1) // (2 * _PLANES) for i in range(_PLANES)}):
        plane = Box((z, *shown.start[1:]), (z + 1, *shown.stop[1:]))
        away = np.abs(index[:, 0] - z) * size[0] / stretch
        near = away < cells["radius_nm"]
        cut = np.sqrt(cells["radius_nm"][near] ** 2 - away[near] ** 2)
        at = index[near, 1:] - np.array(plane.start[1:]) + 0.5
        yield CellSlice(
            caption=f"z = {z}{part}",
            raw=read_plane(raw, plane),
            probability=read_plane(results["probability"].uri, plane),
            vessels=read_plane(results["vessel_mask"].uri, plane) != 0 if "vessel_mask" in results else None,
            rings=np.column_stack([at, cut / size[1], cut / size[2]]),
            width_nm=plane.shape[2] * float(size[2]),
        )
