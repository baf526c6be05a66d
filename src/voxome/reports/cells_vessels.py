"""The report of the pipelines of cells and vessels: slices, a map in space, densities, sizes, scores, times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Rows
from voxome.contracts.report import FinishedRun, Results
from voxome.contracts.run_record import JsonValue
from voxome.reports.bands import band_facts
from voxome.reports.cell_pictures import CellSlice, cell_slices
from voxome.reports.cell_planes import cell_planes
from voxome.reports.gaps import gap_facts
from voxome.reports.heat import density_section
from voxome.reports.page import cost_card, fact_card, html_document, score_card, section, total_tiles
from voxome.reports.radii import radius_histogram
from voxome.reports.run_facts import dimensions, parameters_of, run_facts, step_costs
from voxome.reports.space import space_section
from voxome.reports.stacked_cells import stack_facts
from voxome.reports.wide_vessels import wide_vessel_facts
from voxome.resources.table import TableFile
from voxome.storage.atomic import write_file

_NEEDED = ("cells", "probability", "density", "density_table", "region_densities", "sections", "tissue")


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
        planes, points = list(cell_planes(raw, results, cells, frame)), _points(run)
        notes = {
            **gaps,
            **stack_facts(cells),
            **vessel_facts(totals),
            **_width_facts(run, planes),
            **brightness_facts(run, planes),
        }
        parts = [
            total_tiles({name: _number(value) for name, value in totals.items()}),
            _viewer(run.view_command),
            section("Notes", fact_card(notes)),
            section("Slices", cell_slices(planes)),
            section("Cells and vessels in space" if points else "Cells in space", space_section(cells, points, frame)),
            section("Density of cells", density_section(run.results["density"].uri)),
            section("Sizes of cells, of the radii searched", radius_histogram(cells["radius_nm"] / 1000)),
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


def brightness_facts(run: FinishedRun, planes: Sequence[CellSlice]) -> dict[str, str]:
    """Return whether sections differ in brightness, of a pipeline that has settings for that which are not used yet."""
    inputs = run.record["inputs"]
    if "vessel_map" not in run.results or (inputs.get("cell_probability") and inputs.get("vessel_probability")):
        return {}
    settings = parameters_of("common.local_contrast", run.results["probability"])
    if settings["background_z_um"]:
        return {}
    return band_facts(planes, settings["background_um"], settings["smoothing_um"])


def _width_facts(run: FinishedRun, planes: Sequence[CellSlice]) -> dict[str, str]:
    """Return whether vessels are too wide for their contrast; a classifier has no such limit."""
    if not {"vessels", "vessel_map"} <= run.results.keys() or run.record["inputs"].get("vessel_probability"):
        return {}
    radius_nm = TableFile(run.results["vessels"].uri).read(["radius_nm"])["radius_nm"]
    settings = parameters_of("common.local_contrast", run.results["vessel_map"])
    return wide_vessel_facts(radius_nm, planes, settings["background_um"])


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _points(run: FinishedRun) -> Rows | None:
    return TableFile(run.results["vessel_points"].uri).read() if "vessel_points" in run.results else None
