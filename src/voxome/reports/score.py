"""Score results on disk against ground truth, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_flags, require_path, require_positive
from voxome.contracts.placement import are_placed, placement_problem
from voxome.contracts.uri import Location
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.metrics.detection import DetectionScore, score_detections
from voxome.metrics.graph import Edges, match_neurons, score_graph
from voxome.metrics.segmentation import (
    Contingency,
    SegmentationScore,
    contingency,
    fold_contingency,
    score_segmentation,
)
from voxome.resources.labels import require_labels
from voxome.resources.table import TableFile
from voxome.resources.unfinished import require_finished
from voxome.resources.volume_like import VolumeLike

TableLike = Location | Mapping[str, NDArray[Any]]
"""A Parquet file, or columns by name."""

BLOCK = (64, 256, 256)
_POSITION = ("z_nm", "y_nm", "x_nm")


@explain_calls
def count_pairs(
    truth: VolumeLike, result: VolumeLike, box: Box | str | None = None, *, force: bool = False
) -> Contingency:
    """Count the voxels of each pair of labels of two volumes.

    Parameters
    ----------
    truth, result : str, path, Volume or array
        Label volumes (z, y, x).
    box : Box or str, optional
        In store coordinates; a text may leave out ends, which are those of the truth. By default what both volumes
        share, if their voxel sizes are known, or else all of both, which must then span the same voxels.
    force : bool
        Whether to score what an interrupted run has not finished.

    Raises
    ------
    InvalidInput
        If one is not a label volume or not finished, or the two do not match: voxel sizes and offsets must be equal.
    """
    require_flags(force=force)
    volumes = [require_labels(one) for one in (truth, result)]
    for volume in volumes:
        require_finished(volume.reveal_uri(), force=force)
    specs = [volume.spec for volume in volumes]
    if problem := placement_problem("the truth", specs[0], "the result", specs[1]):
        raise InvalidInput(problem)
    domains = [spec.domain for spec in specs]
    shared = domains[0] & domains[1]
    if box is None and domains[0] != domains[1] and (shared.empty or not are_placed(*specs)):
        raise InvalidInput(
            f"the truth spans {domains[0]}, but the result {domains[1]}; give the box to compare with box= (--box)"
        )
    box = shared if box is None else Box.of(box, domains[0])
    for volume in volumes:
        if box.ndim != 3 or box.empty or box not in volume.domain:
            raise InvalidInput(f"the box {box} is empty or not inside the domain {volume.domain} of {volume.uri}")
    parts = (contingency(*(volume.cutout(block.write) for volume in volumes)) for block in BlockGrid(box, BLOCK))
    return reduce(fold_contingency, parts)


@explain_calls
def segmentation(
    truth: VolumeLike,
    result: VolumeLike,
    box: Box | str | None = None,
    *,
    count_background: bool = False,
    force: bool = False,
) -> SegmentationScore:
    """Return variation of information and adapted Rand error of a segmentation.

    Parameters
    ----------
    truth, result, box
        See `count_pairs`. Voxels with the true labels 0, -1 and 2^64 - 1 are left out, which mean "not labelled".
    count_background : bool
        Whether the true label 0 counts as an object.
    force : bool
        See `count_pairs`.
    """
    require_flags(count_background=count_background)
    return score_segmentation(count_pairs(truth, result, box, force=force), count_background=count_background)


@explain_calls
def detections(truth: TableLike, result: TableLike, tolerance_nm: float = 150.0) -> DetectionScore:
    """Return precision, recall and F1 of the points of two tables with the columns ``z_nm, y_nm, x_nm``.

    Raises
    ------
    InvalidInput
        If a table lacks a column, or a position is empty.
    """
    require_positive("tolerance_nm", tolerance_nm, "nm")
    return score_detections(_points("truth", truth), _points("result", result), tolerance_nm)


@explain_calls
def graph(
    truth: TableLike,
    result: TableLike,
    truth_labels: VolumeLike,
    result_labels: VolumeLike,
    box: Box | str | None = None,
    *,
    force: bool = False,
) -> DetectionScore:
    """Return precision, recall and F1 of the connected pairs of two tables, with neurons matched by overlap.

    Parameters
    ----------
    truth, result : path or mapping of str to arrays
        Tables with the columns ``pre_id, post_id, directed``.
    truth_labels, result_labels : str, path, Volume or array
        Label volumes that the ids refer to.
    box, force : optional
        See `count_pairs`.
    """
    true_edges, edges = _edges("truth", truth), _edges("result", result)
    return score_graph(true_edges, edges, *match_neurons(count_pairs(truth_labels, result_labels, box, force=force)))


def _columns(
    argument: str, table: TableLike, names: tuple[str, ...], *, drop_nulls: bool = False
) -> dict[str, NDArray[np.generic]]:
    """Return the named columns of a Parquet file, or of columns in memory."""
    if isinstance(table, Mapping):
        known, where = list(table), "the table"
    else:
        file = TableFile(require_path(argument, table))
        known, where = list(file.columns), str(table)
    if missing := [name for name in names if name not in known]:
        raise InvalidInput(f"{where} has no column {', '.join(missing)}; its columns: {', '.join(known)}")
    if isinstance(table, Mapping):
        rows = {name: np.asarray(table[name]) for name in names}
    else:
        rows = file.read(names, drop_nulls=drop_nulls)
    if any(values.ndim != 1 or values.dtype.kind not in "biuf" for values in rows.values()):
        raise InvalidInput(f"the columns {', '.join(names)} of {where} should be numbers, one for each row")
    if len({len(values) for values in rows.values()}) > 1:
        counts = ", ".join(str(len(values)) for values in rows.values())
        raise InvalidInput(f"the columns {', '.join(names)} of {where} have {counts} rows; expected equally many")
    return rows


def _points(argument: str, table: TableLike) -> NDArray[np.float64]:
    rows = _columns(argument, table, _POSITION)
    points = np.stack([rows[name].astype(np.float64) for name in _POSITION], axis=1)
    if not np.isfinite(points).all():
        raise InvalidInput("the table has rows without a position in nm; rerun with --voxel-size Z,Y,X")
    return points


def _edges(argument: str, table: TableLike) -> Edges:
    """Return the edges of a table; those with an unknown end are left out."""
    rows = _columns(argument, table, ("pre_id", "post_id", "directed"), drop_nulls=True)
    for name in ("pre_id", "post_id"):
        if rows[name].dtype.kind not in "iu":
            raise InvalidInput(f"the column {name} is {rows[name].dtype}; expected integers: floats round ids")
    return Edges(rows["pre_id"], rows["post_id"], rows["directed"].astype(np.bool_))
