"""Scores of the EM pipeline against a folder with the truth, as ``voxome phantom`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.placement import are_placed, placement_problem
from voxome.contracts.report import Results
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.reports import score
from voxome.resources.open import open_source
from voxome.resources.table import TableFile

TOLERANCE_NM = 150.0
"""Synapses this close may be the same."""
_POSITION = ("z_nm", "y_nm", "x_nm")
_EDGE = ("pre_id", "post_id", "directed")


class ConnectomeScorer:
    """Scores neurons against ``labels.zarr``, and, where both are there, synapses and the connectome as well.

    The tables of the truth are ``synapses.parquet`` and ``connectome.parquet``. A run that covers a part of the true
    labels is compared with the true synapses whose centres lie in the part, and with the pairs that these connect;
    ``connectome.parquet``, which has no positions, counts only for a run of everything.
    """

    def check(self, truth: Path, results: Results) -> Iterable[str]:
        """Return the problems of scoring these results against the folder `truth`."""
        labels = truth / "labels.zarr"
        if not labels.exists():
            yield f"{labels} does not exist: --truth names a folder with labels.zarr"
            return
        frame = results["neurons"].frame if "neurons" in results else None
        if frame is None:
            yield "the workflow has no output 'neurons' that could be scored: leave out --truth"
            return
        spec = open_source(str(labels)).spec
        domain, box = spec.domain, _part(frame)
        if problem := placement_problem("the result", frame, str(labels), spec):
            yield problem
            return
        is_elsewhere = box is None and frame.domain != domain and not are_placed(frame, spec)
        if domain.ndim != 3 or frame.box not in domain or is_elsewhere:
            yield f"{labels} spans {domain}, but the run {frame.box}: give the truth of these voxels"
        elif frame.box != domain:
            yield from _part_problems(truth, results, frame, spec)

    def score(self, truth: Path, results: Results) -> Mapping[str, Mapping[str, float]]:
        """Return the scores of ``segmentation``, ``synapses`` and ``graph``."""
        labels, neurons = str(truth / "labels.zarr"), results["neurons"]
        frame, spec = neurons.frame, open_source(labels).spec
        box = None if frame is None else _part(frame)
        scores = {"segmentation": asdict(score.segmentation(labels, neurons.uri, box))}
        part = None if frame is None or frame.box == spec.domain else frame
        tables = _scored_tables(truth, results)
        if "synapses" in tables:
            points = truth / "synapses.parquet" if part is None else _true_rows(truth, _POSITION, part, spec)
            scores["synapses"] = asdict(score.detections(points, results["synapses"].uri, TOLERANCE_NM))
        if "connectome" in tables:
            pairs = truth / "connectome.parquet" if part is None else _true_rows(truth, _EDGE, part, spec)
            scores["graph"] = asdict(score.graph(pairs, results["connectome"].uri, labels, neurons.uri, box))
        return scores


def _scored_tables(truth: Path, results: Results) -> list[str]:
    return [name for name in ("synapses", "connectome") if name in results and (truth / f"{name}.parquet").exists()]


def _part_problems(truth: Path, results: Results, frame: Frame, spec: VolumeSpec) -> Iterable[str]:
    """Yield why the tables of the truth cannot be restricted to the voxels of a run."""
    tables = _scored_tables(truth, results)
    if not tables:
        return
    file, needed = truth / "synapses.parquet", {*_POSITION, *(_EDGE if "connectome" in tables else ())}
    if not file.exists():
        yield (
            f"the run covers {frame.box}, and {truth / 'connectome.parquet'} has no positions: give {file} as well, "
            "from which the pairs in this part are taken, or move connectome.parquet away"
        )
    elif missing := sorted(needed - {*TableFile(file).columns}):
        yield f"the run covers {frame.box}, and {file} has no column {', '.join(missing)} to find what is in this part"
    if frame.voxel_size_nm is None and spec.voxel_size_nm is None:
        yield f"the run covers {frame.box}, whose place in nm is unknown: set the voxel size with --voxel-size Z,Y,X"


def _true_rows(truth: Path, columns: tuple[str, ...], frame: Frame, spec: VolumeSpec) -> Rows:
    """Return columns of the true synapses whose centres lie in the box of a run; rows without a value are left out.

    Raises
    ------
    InvalidInput
        If a synapse has no position.
    """
    file = TableFile(truth / "synapses.parquet")
    if not np.isfinite(file.stacked(_POSITION, np.float64)).all():
        raise InvalidInput(f"{file.path} has rows without a position in nm, so that what is in {frame.box} is unknown")
    rows = file.read([*dict.fromkeys((*_POSITION, *columns))], drop_nulls=True)
    placed = spec if frame.voxel_size_nm is None else frame
    index = [
        np.floor((rows[name] - offset) / size + 0.5)
        for name, offset, size in zip(_POSITION, placed.offset_nm, placed.voxel_size_nm or (), strict=True)
    ]
    ranges = zip(index, frame.box.start, frame.box.stop, strict=True)
    inside = np.logical_and.reduce([(first <= at) & (at < end) for at, first, end in ranges])
    return {name: rows[name][inside] for name in columns}


def _part(frame: Frame) -> Box | None:
    """Return the box of a run that covers only a part of its volume."""
    return None if frame.box == frame.domain else frame.box
