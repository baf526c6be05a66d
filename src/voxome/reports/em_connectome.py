"""The report of the EM pipeline: slices, the connectome, scores, times."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.handle import Handle
from voxome.contracts.report import FinishedRun, Results
from voxome.contracts.run_record import JsonValue, RunRecord
from voxome.geometry import Box
from voxome.reports.data import ReportData, Slice, StepCost, edges_of
from voxome.reports.gaps import gap_facts
from voxome.reports.page import render_report
from voxome.resources.open import open_source
from voxome.resources.table import TableFile

MAX_SIDE = 512
"""Voxels along each side of the planes that the report shows."""
_PLANES = 3
_NEEDED = ("neurons", "connectome", "neurons_table", "synapses", "membranes", "sections")


class ConnectomeReport:
    """Writes ``report.html``."""

    def check(self, inputs: Iterable[str], results: Results) -> Iterable[str]:
        """Return the problems of a run that lacks an input or result which the report shows."""
        for name in sorted({"raw"} - set(inputs)):
            yield f"the report em.connectome shows the workflow input {name!r}, which the workflow does not have"
        for name in sorted(set(_NEEDED) - set(results)):
            yield f"the report em.connectome shows the workflow output {name!r}, which the workflow does not have"

    def write(self, run: FinishedRun) -> dict[str, int | float | str]:
        """Write the report into the run folder, and return the numbers of objects and the share without data."""
        totals = {
            name: len(TableFile(run.results[result].uri))
            for name, result in (("neurons", "neurons_table"), ("synapses", "synapses"), ("connections", "connectome"))
        }
        gaps = gap_facts(TableFile(run.results["sections"].uri).read())
        (run.folder / "report.html").write_text(render_report(_data(run, totals, gaps)), encoding="utf-8")
        return {**totals, **gaps}


def _data(run: FinishedRun, totals: Mapping[str, int], gaps: Mapping[str, str]) -> ReportData:
    record, results = run.record, run.results
    connectome = TableFile(results["connectome"].uri).read()
    frame = results["neurons"].frame
    assert frame is not None
    return ReportData(
        title=f"{record['workflow']}: {run.folder.name}",
        run={**_facts(record, frame.box), **gaps},
        totals={name: f"{number:,}" for name, number in totals.items()},
        slices=list(_slices(_raw(record), results, frame.box)),
        edges=edges_of(connectome),
        scores=record.get("scores"),
        steps=[
            StepCost(name=step["name"], **step["blocks"], seconds=step["wall_s"], peak_bytes=step["peak_bytes"])
            for step in record["steps"]
        ],
    )


def _raw(record: RunRecord) -> str:
    """Return the URI of the raw volume."""
    return Handle.from_json(cast("Mapping[str, JsonValue]", record["inputs"]["raw"])).uri


def _facts(record: RunRecord, box: Box) -> dict[str, str]:
    return {
        "input": _raw(record),
        "box": str(box),
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record["started_s"])),
        "took": f"{record['wall_s']:.0f} s on {max(engine['workers'] for engine in record['engines'])} workers",
        "plan": record["plan"],
        "versions": ", ".join(f"{name} {number}" for name, number in record["versions"].items()),
        **{f"warning {i + 1}": text for i, text in enumerate(record["warnings"])},
    }


def _slices(raw: str, results: Results, box: Box) -> Iterator[Slice]:
    depth = box.shape[0]
    for z in sorted({box.start[0] + depth * (2 * i + 1) // (2 * _PLANES) for i in range(_PLANES)}):
        yield Slice(
            f"z = {z}",
            raw=_plane(raw, box, z),
            membranes=_plane(results["membranes"].uri, box, z),
            neurons=_plane(results["neurons"].uri, box, z),
        )


def _plane(uri: str, box: Box, z: int) -> NDArray[Any]:
    """Return the middle of a plane of the box."""
    source = open_source(uri)
    middle = [(a + b) // 2 for a, b in zip(box.start, box.stop, strict=True)]
    half = MAX_SIDE // 2
    around = Box((z, middle[1] - half, middle[2] - half), (z + 1, middle[1] + half, middle[2] + half)) & box
    return np.asarray(source.read(source.spec.lift(around)))[0]
