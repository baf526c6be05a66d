"""Scores of cells and vessels against a folder with the truth, as ``voxome phantom --modality xrm`` writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.placement import placement_problem
from voxome.contracts.report import Result, Results
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.metrics.branch_points import MEETING, score_branch_points, visible_branch_points
from voxome.metrics.cells import Cells, Faces, score_cells
from voxome.reports import score
from voxome.resources.open import open_source
from voxome.resources.table import TableFile

TOLERANCE_UM = 6.5
"""Cells this close may be the same: 10 voxels of the X-ray volumes of Dyer et al. 2017."""
BRANCH_POINT_TOLERANCE_UM = 10.0
"""Branch points this close may be the same: about a radius of larger vessels."""
_POSITION = ("z_nm", "y_nm", "x_nm")
_BRANCH = ("source", "target", "length_nm", "radius_nm")


class CellsScorer:
    """Scores the outputs ``cells``, ``vessel_mask``, ``vessels`` and ``vessel_nodes`` against files of these names.

    The truth has ``cells.parquet``, ``vessel_mask.zarr``, ``vessels.parquet`` and ``vessel_nodes.parquet``; what is
    missing on either side is not scored. A run that covers a part of the volume is compared with the true cells and
    branch points whose centres lie in the part, and with its voxels. Of branch points near a face, one of the branches
    may be beyond it: the group ``inner_branch_points`` leaves out those at most the tolerance away from a face, and
    ``visible_branch_points`` the true ones of which a branch ends at once, inside of the other vessel.
    """

    def check(self, truth: Path, results: Results) -> Iterable[str]:
        """Return the problems of scoring these results against the folder `truth`."""
        scored = _scored(truth, results)
        if not scored:
            files = ", ".join(_FILES.values())
            yield f"{truth} has none of the files {files} of an output of the workflow: leave out --truth"
        for name in scored:
            frame = results[name].frame
            if name == "vessel_mask":
                spec = open_source(str(truth / _FILES[name])).spec
                if frame is not None and (problem := placement_problem("the result", frame, _FILES[name], spec)):
                    yield problem
                elif frame is not None and frame.box not in spec.domain:
                    yield f"{_FILES[name]} spans {spec.domain}, but the run {frame.box}: give the truth of these voxels"
            elif missing := sorted(_COLUMNS[name] - {*TableFile(truth / _FILES[name]).columns}):
                yield f"{truth / _FILES[name]} has no column {', '.join(missing)}"
            elif _part(frame) is not None and name == "vessels":
                yield (
                    f"the run covers {_part(frame)}, and {_FILES[name]} has lengths of the whole volume: run all "
                    "of it, or move the file away"
                )
            elif _part(frame) is not None and frame is not None and frame.voxel_size_nm is None:
                yield f"the run covers {frame.box}, whose place in nm is unknown: set the voxel size (--voxel-size)"

    def score(self, truth: Path, results: Results) -> Mapping[str, Mapping[str, float]]:
        """Return the scores of cells, of the mask and the lengths of vessels, and the three of branch points."""
        groups = ((name, group) for name in _scored(truth, results) for group in _GROUPS.get(name, (name,)))
        found = {group: _SCORES[group](truth / _FILES[name], results[name]) for name, group in groups}
        known = {group: {key: value for key, value in one.items() if value is not None} for group, one in found.items()}
        return {group: one for group, one in known.items() if one}


def _score_cells(truth: Path, result: Result) -> dict[str, Any]:
    rows = _rows_inside(truth, result.frame, ("radius_nm",))
    return asdict(score.cells(rows, result.uri, TOLERANCE_UM))


def _score_mask(truth: Path, result: Result) -> dict[str, Any]:
    return asdict(score.mask(str(truth), result.uri, _part(result.frame), truth_threshold=0, threshold=0))


def _score_lengths(truth: Path, result: Result) -> dict[str, Any]:
    true_mm, found_mm = (
        float(TableFile(one).read(["length_nm"])["length_nm"].sum()) / 1e6 for one in (truth, result.uri)
    )
    error = (found_mm - true_mm) / true_mm if true_mm else None
    return {"length_error": error, "truth_length_mm": true_mm, "result_length_mm": found_mm}


def _score_branch_points(truth: Path, result: Result) -> dict[str, Any]:
    return asdict(score.detections(*_junctions(truth, result), BRANCH_POINT_TOLERANCE_UM * 1000))


def _score_inner_branch_points(truth: Path, result: Result) -> dict[str, Any]:
    """Score the branch points farther than the tolerance from the faces, beyond which one of the branches may be."""
    frame = result.frame
    if frame is None or frame.voxel_size_nm is None:
        return {}
    offset, size = np.array(frame.offset_nm), np.array(frame.voxel_size_nm)
    ends = (offset + (np.array(end) - 0.5) * size for end in (frame.box.start, frame.box.stop))
    thin = np.array(frame.box.shape) == 1
    low, high = (tuple(np.where(thin, far, end).tolist()) for end, far in zip(ends, (-np.inf, np.inf), strict=True))
    true, found = (Cells(np.stack([rows[name] for name in _POSITION], axis=1)) for rows in _junctions(truth, result))
    scores = score_cells(true, found, BRANCH_POINT_TOLERANCE_UM, border="ignore", faces=Faces(low, high))
    return {name: getattr(scores, name) for name in _DETECTION}


def _score_visible_branch_points(truth: Path, result: Result) -> dict[str, Any]:
    """Score the branch points, without true ones that cannot be seen; of a part of a volume, none is known to be so."""
    branches = truth.with_name(_FILES["vessels"])
    if _part(result.frame) is not None or not branches.exists():
        return {}
    if not {*_BRANCH} <= {*TableFile(branches).columns} or "id" not in TableFile(truth).columns:
        return {}
    nodes = TableFile(truth).read([*_POSITION, "id", "degree"])
    seen = visible_branch_points(nodes, TableFile(branches).read([*_BRANCH]))[nodes["degree"] >= MEETING]
    true, found = (np.stack([rows[name] for name in _POSITION], axis=1) for rows in _junctions(truth, result))
    return asdict(score_branch_points(true, seen, found, BRANCH_POINT_TOLERANCE_UM * 1000))


def _junctions(truth: Path, result: Result) -> tuple[Rows, Rows]:
    """Return the true and the detected nodes where vessels meet."""
    true, found = (_rows_inside(one, result.frame, ("degree",)) for one in (truth, result.uri))
    return _of_junctions(true), _of_junctions(found)


def _of_junctions(rows: Rows) -> Rows:
    return {name: rows[name][rows["degree"] >= MEETING] for name in _POSITION}


_FILES = {
    "cells": "cells.parquet",
    "vessel_mask": "vessel_mask.zarr",
    "vessels": "vessels.parquet",
    "vessel_nodes": "vessel_nodes.parquet",
}
_COLUMNS = {"cells": {*_POSITION}, "vessels": {"length_nm"}, "vessel_nodes": {*_POSITION, "degree"}}
_GROUPS = {"vessel_nodes": ("branch_points", "inner_branch_points", "visible_branch_points")}
_DETECTION = ("precision", "recall", "f1", "true_positives", "false_positives", "false_negatives", "ignored_truths")
_SCORES: dict[str, Callable[[Path, Result], dict[str, Any]]] = {
    "cells": _score_cells,
    "vessel_mask": _score_mask,
    "vessels": _score_lengths,
    "branch_points": _score_branch_points,
    "inner_branch_points": _score_inner_branch_points,
    "visible_branch_points": _score_visible_branch_points,
}


def _scored(truth: Path, results: Results) -> list[str]:
    return [name for name, file in _FILES.items() if name in results and (truth / file).exists()]


def _part(frame: Frame | None) -> Box | None:
    """Return the box of a run that covers only a part of its volume."""
    return None if frame is None or frame.box == frame.domain else frame.box


def _rows_inside(path: Path | str, frame: Frame | None, columns: tuple[str, ...]) -> Rows:
    """Return positions and the columns that the table has, of the rows whose centres lie in the box of a run.

    Raises
    ------
    InvalidInput
        If a row has no position.
    """
    file = TableFile(path)
    rows = file.read([*_POSITION, *(name for name in columns if name in file.columns)])
    position = np.stack([rows[name] for name in _POSITION], axis=1)
    if not np.isfinite(position).all():
        raise InvalidInput(f"{path} has rows without a position in nm")
    part = _part(frame)
    if part is None or frame is None:
        return rows
    index = np.floor((position - np.array(frame.offset_nm)) / np.array(frame.scale_nm) + 0.5)
    inside = ((index >= np.array(part.start)) & (index < np.array(part.stop))).all(axis=1)
    return {name: values[inside] for name, values in rows.items()}
