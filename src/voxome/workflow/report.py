"""What a run leaves for a person to look at: ``report.html``, and scores where the truth is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.reports.data import ReportData, Slice, Step, edges_of
from voxome.reports.page import render_report
from voxome.resources.open import open_source
from voxome.resources.table import TableFile
from voxome.workflow import score
from voxome.workflow.plan import Plan

SYNAPSE_TOLERANCE_NM = 150.0
LARGEST_PICTURE = 512
"""Voxels a side of the planes that a report shows."""
_PLANES = 3


def check_truth(truth: Path, plan: Plan, box: Box | None = None) -> None:
    """See that results can be scored against the folder `truth`, before there are any.

    Raises
    ------
    NotFound
        If there are no labels.
    InvalidInput
        If they do not span the voxels of the run.
    """
    labels = truth / "labels.zarr"
    if not labels.exists():
        raise NotFound(f"there is no {labels}: --truth names a folder with labels.zarr")
    frame = next((step.frame for step in plan.steps if "neurons" in step.published), None)
    if frame is None:
        raise InvalidInput(f"{plan.workflow} makes no neurons that could be scored: leave out --truth")
    domain = open_source(str(labels)).spec.domain
    if domain.ndim != 3 or (frame.domain != domain if box is None else box not in domain):
        raise InvalidInput(
            f"{labels} spans {domain}, but the run {box or frame.domain}: give the truth of these voxels"
        )


def scores_of(folder: Path, truth: Path, box: Box | None = None) -> dict[str, dict[str, float]]:
    """Score the results in a run folder against a folder with the truth, as ``voxome phantom`` writes it.

    Parameters
    ----------
    folder : path
        A run folder.
    truth : path
        A folder with ``labels.zarr``, and if there are any ``synapses.parquet`` and ``connectome.parquet``.
    box : Box, optional
        The voxels that were run.
    """
    labels, neurons = str(truth / "labels.zarr"), str(folder / "neurons.zarr")
    found = {"segmentation": asdict(score.segmentation(labels, neurons, box))}
    if (truth / "synapses.parquet").exists():
        pair = truth / "synapses.parquet", folder / "synapses.parquet"
        found["synapses"] = asdict(score.detections(*pair, SYNAPSE_TOLERANCE_NM))
    if (truth / "connectome.parquet").exists():
        pair = truth / "connectome.parquet", folder / "connectome.parquet"
        found["graph"] = asdict(score.graph(*pair, labels, neurons, box))
    return found


def write_report(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``report.html`` of a run of the EM pipeline into its folder."""
    connectome = TableFile(folder / "connectome.parquet").read()
    neurons, synapses = (len(TableFile(folder / f"{name}.parquet")) for name in ("neurons", "synapses"))
    raw = record["inputs"]["raw"]["uri"]
    box = Box.parse(str(open_source(str(folder / "neurons.zarr")).spec.attributes["voxome_run"]["box"]))
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    data = ReportData(
        title=f"{record['workflow']}: {folder.name}",
        run={
            "input": raw,
            "box": str(box),
            "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record["started_s"])),
            "took": f"{record['wall_s']:.0f} s on {record['engine']['workers']} workers",
            "plan": record["plan"],
            "versions": versions,
            **{f"warning {i + 1}": text for i, text in enumerate(record["warnings"])},
        },
        totals={
            "neurons": f"{neurons:,}",
            "synapses": f"{synapses:,}",
            "connections": f"{len(connectome['pre_id']):,}",
        },
        slices=list(_slices(folder, raw, box)),
        edges=edges_of(connectome),
        scores=record.get("scores"),
        steps=[
            Step(name=s["name"], **s["blocks"], seconds=s["wall_s"], peak_bytes=s["peak_bytes"])
            for s in record["steps"]
        ],
    )
    (folder / "report.html").write_text(render_report(data), encoding="utf-8")


def _slices(folder: Path, raw: str, box: Box) -> list[Slice]:
    depth = box.shape[0]
    places = sorted({box.start[0] + depth * (2 * i + 1) // (2 * _PLANES) for i in range(_PLANES)})
    return [
        Slice(
            f"z = {z}",
            raw=_plane(raw, box, z),
            membranes=_plane(str(folder / "membranes.zarr"), box, z),
            neurons=_plane(str(folder / "neurons.zarr"), box, z),
        )
        for z in places
    ]


def _plane(uri: str, box: Box, z: int) -> NDArray[Any]:
    """The middle of a plane of the box."""
    source = open_source(uri)
    middle = [(a + b) // 2 for a, b in zip(box.start, box.stop, strict=True)]
    half = LARGEST_PICTURE // 2
    around = Box((z, middle[1] - half, middle[2] - half), (z + 1, middle[1] + half, middle[2] + half)) & box
    return np.asarray(source.read(source.spec.lift(around)))[0]
