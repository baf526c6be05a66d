"""Scores of the EM pipeline against a folder with the truth, as ``voxome phantom`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from voxome.contracts.frame import Frame
from voxome.contracts.placement import are_placed, placement_problem
from voxome.contracts.report import Results
from voxome.geometry import Box
from voxome.reports import score
from voxome.resources.open import open_source

TOLERANCE_NM = 150.0
"""Synapses this close may be the same."""


class ConnectomeScorer:
    """Scores neurons against ``labels.zarr``, and, where both are there, synapses and the connectome as well.

    The tables of the truth are ``synapses.parquet`` and ``connectome.parquet``.
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

    def score(self, truth: Path, results: Results) -> Mapping[str, Mapping[str, float]]:
        """Return the scores of ``segmentation``, ``synapses`` and ``graph``."""
        labels, neurons = str(truth / "labels.zarr"), results["neurons"]
        box = None if neurons.frame is None else _part(neurons.frame)
        scores = {"segmentation": asdict(score.segmentation(labels, neurons.uri, box))}
        pairs = {name: (truth / f"{name}.parquet", results[name].uri) for name in _scored_tables(truth, results)}
        if "synapses" in pairs:
            scores["synapses"] = asdict(score.detections(*pairs["synapses"], TOLERANCE_NM))
        if "connectome" in pairs:
            scores["graph"] = asdict(score.graph(*pairs["connectome"], labels, neurons.uri, box))
        return scores


def _scored_tables(truth: Path, results: Results) -> list[str]:
    return [name for name in ("synapses", "connectome") if name in results and (truth / f"{name}.parquet").exists()]


def _part(frame: Frame) -> Box | None:
    """Return the box of a run that covers only a part of its volume."""
    return None if frame.box == frame.domain else frame.box
