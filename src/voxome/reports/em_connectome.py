"""The report of the EM pipeline: slices, the connectome, scores, times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.report import FinishedRun, Results
from voxome.contracts.run_record import JsonValue, RunRecord
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry import Box
from voxome.reports.colours import distinct_colours, write_colours
from voxome.reports.data import EDGE, ReportData, Slice, edges_of
from voxome.reports.gaps import gap_facts
from voxome.reports.marks import NEAR_NM
from voxome.reports.omissions import Omissions, read_columns
from voxome.reports.page import render_report
from voxome.reports.run_facts import dimensions, middle, read_plane, run_facts, step_costs
from voxome.resources.open import open
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.storage.atomic import write_file

_PLANES = 3
_SECTIONS = ("z", "voxels", "missing", "bridged")
_POSITION = ("z_nm", "y_nm", "x_nm")
_NEEDED = ("neurons", "connectome", "neurons_table", "synapses", "membranes", "sections")


class ConnectomeReport:
    """Writes ``report.html``, and the colours that its neurons have for the viewer."""

    def check(self, inputs: Iterable[str], results: Results) -> Iterable[str]:
        """Return the problems of a run that lacks an input or result which the report shows."""
        for name in sorted({"raw"} - set(inputs)):
            yield f"the report em.connectome shows the workflow input {name!r}, which the workflow does not have"
        for name in sorted(set(_NEEDED) - set(results)):
            yield f"the report em.connectome shows the workflow output {name!r}, which the workflow does not have"

    def write(self, run: FinishedRun) -> dict[str, int | float | str]:
        """Write the report into the run folder, and return the numbers of objects and the share without data."""
        omissions = Omissions()
        tables = {"neurons": "neurons_table", "synapses": "synapses", "connections": "connectome"}
        counts = {
            name: omissions.attempt(f"number of {name}", partial(_count, run.results[result].uri), None)
            for name, result in tables.items()
        }
        totals = {name: count for name, count in counts.items() if count is not None}
        data = _data(run, totals, omissions)
        sections = partial(read_columns, run.results["sections"].uri, _SECTIONS)
        gaps = omissions.attempt("whether sections are missing", lambda: gap_facts(sections()), {})
        notes = {**gaps, **omissions.facts()}
        write_file(run.folder / "report.html", render_report(replace(data, run={**data.run, **notes})))
        write_colours(run.folder, distinct_colours(one.neurons for one in data.slices if one.neurons is not None))
        return {**totals, **notes}


def _count(uri: str) -> int:
    return len(TableFile(uri))


def _data(run: FinishedRun, totals: Mapping[str, int], omissions: Omissions) -> ReportData:
    record, results = run.record, run.results
    frame = results["neurons"].frame
    assert frame is not None
    return ReportData(
        title=run.title,
        subtitle="; ".join(f"{name} {text}" for name, text in dimensions(frame).items()),
        view=run.view_command,
        link=omissions.attempt("link to Neuroglancer", partial(_link, run), None),
        run=run_facts(run.record, _raw(run.record), frame),
        totals={name: f"{number:,}" for name, number in totals.items()},
        slices=omissions.attempt("slices", lambda: list(_slices(run, frame)), []),
        edges=omissions.attempt("connections", lambda: edges_of(read_columns(results["connectome"].uri, EDGE)), []),
        volumes_um3=omissions.attempt("sizes of neurons", partial(_volumes, run, frame), ()),
        scores=record.get("scores"),
        steps=step_costs(record),
    )


def _raw(record: RunRecord) -> str:
    """Return the URI of the raw volume."""
    return Handle.from_json(cast("Mapping[str, JsonValue]", record["inputs"]["raw"])).uri


def _link(run: FinishedRun) -> str | None:
    """Return a link to image and neurons in Neuroglancer; None where browsers do not reach both."""
    neurons, raw = (open(uri, expect=Volume) for uri in (run.results["neurons"].uri, _raw(run.record)))
    try:
        return str(neurons.link(name="neurons", raw=raw))
    except (InvalidInput, UnsupportedFormat):
        return None


def _volumes(run: FinishedRun, frame: Frame) -> Sequence[float]:
    """Return the volumes of the neurons in µm³; none if the voxel size is unknown."""
    if frame.voxel_size_nm is None:
        return ()
    voxels = read_columns(run.results["neurons_table"].uri, ["voxels"])["voxels"]
    return (voxels * (math.prod(frame.voxel_size_nm) / 1e9)).tolist()


def _slices(run: FinishedRun, frame: Frame) -> Iterator[Slice]:
    results, box, size = run.results, frame.box, frame.voxel_size_nm
    depth, shown = box.shape[0], middle(box)
    part = (
        ""
        if shown.shape[1:] == box.shape[1:]
        else f", the middle {shown.shape[1]:,} × {shown.shape[2]:,} of {box.shape[1]:,} × {box.shape[2]:,}"
    )
    synapses = None if size is None else _synapse_voxels(run, frame)
    for z in sorted({box.start[0] + depth * (2 * i + 1) // (2 * _PLANES) for i in range(_PLANES)}):
        plane = Box((z, *shown.start[1:]), (z + 1, *shown.stop[1:]))
        yield Slice(
            f"z = {z}{part}",
            raw=read_plane(_raw(run.record), plane),
            membranes=read_plane(results["membranes"].uri, plane),
            neurons=read_plane(results["neurons"].uri, plane),
            synapses=None if synapses is None or size is None else _near(synapses, plane, size[0]),
            width_nm=None if size is None else plane.shape[2] * size[2],
        )


def _synapse_voxels(run: FinishedRun, frame: Frame) -> NDArray[np.float64]:
    """Return the positions (n, 3) of the synapses, in the indices of the volume."""
    rows = read_columns(run.results["synapses"].uri, _POSITION)
    at = np.stack([rows[name] for name in _POSITION], axis=1).astype(np.float64)
    return (at - np.array(frame.offset_nm)) / np.array(frame.voxel_size_nm)


def _near(synapses: NDArray[np.float64], plane: Box, depth_nm: float) -> NDArray[np.float64]:
    """Return y and x, from the corner of a plane, of the synapses that are in it and at most `NEAR_NM` from it."""
    at = synapses - np.array(plane.start) + [0, 0.5, 0.5]
    inside = (at[:, 1:] >= 0).all(axis=1) & (at[:, 1:] <= plane.shape[1:]).all(axis=1)
    return at[inside & (np.abs(at[:, 0]) * depth_nm <= max(NEAR_NM, depth_nm / 2)), 1:]
