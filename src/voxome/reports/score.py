"""Score results on disk against ground truth, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import (
    require_finite,
    require_flags,
    require_path,
    require_positive,
    require_positives,
)
from voxome.contracts.uri import Location
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.metrics.cells import Cells, CellScore, Faces, score_cells
from voxome.metrics.detection import DetectionScore, score_detections
from voxome.metrics.graph import Edges, match_neurons, score_graph
from voxome.metrics.instances import IOU_THRESHOLDS, InstanceScore, score_instances
from voxome.metrics.mask import MaskCounts, MaskScore, count_mask, fold_mask_counts, score_mask
from voxome.metrics.segmentation import (
    NOT_LABELLED,
    Contingency,
    SegmentationScore,
    contingency,
    fold_contingency,
    score_segmentation,
)
from voxome.reports.comparison import compared_boxes
from voxome.resources.labels import require_labels
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume

TableLike = Location | Mapping[str, NDArray[Any]]
"""A Parquet file, or columns by name."""

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
    boxes = compared_boxes(volumes, box, force=force)
    return reduce(fold_contingency, (contingency(*(volume.cutout(part) for volume in volumes)) for part in boxes))


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
def instances(
    truth: VolumeLike,
    result: VolumeLike,
    box: Box | str | None = None,
    thresholds: Sequence[float] = IOU_THRESHOLDS,
    *,
    force: bool = False,
) -> InstanceScore:
    """Return the average precision of objects at thresholds of their IoU with true ones.

    Parameters
    ----------
    truth, result, box
        See `count_pairs`. Label 0 is background; voxels with the true labels -1 and 2^64 - 1 are left out.
    thresholds : sequence of float
        See `voxome.metrics.instances.score_instances`.
    force : bool
        See `count_pairs`.
    """
    limits = require_positives("thresholds", thresholds)
    return score_instances(count_pairs(truth, result, box, force=force), limits)


@explain_calls
def mask(
    truth: VolumeLike,
    result: VolumeLike,
    box: Box | str | None = None,
    *,
    truth_threshold: float | None = None,
    threshold: float | None = None,
    beta: float = 1.0,
    force: bool = False,
) -> MaskScore:
    """Return Dice, IoU, precision, recall and F-beta of a mask, voxel by voxel.

    Parameters
    ----------
    truth, result : str, path, Volume or array
        Volumes (z, y, x): masks, labels, or images with a threshold. Voxels of an integer truth that are -1 or
        2^64 - 1 are left out, which mean "not labelled".
    box : Box or str, optional
        See `count_pairs`.
    truth_threshold, threshold : float, optional
        Inside is what is greater, of the truth and of the result, in the values of the volume. By default 0; floats
        and probabilities need one.
    beta : float
        Weight of recall against precision in F-beta.
    force : bool
        See `count_pairs`.

    Raises
    ------
    InvalidInput
        As `count_pairs`; also if a threshold is missing, or a voxel is not a number.
    """
    require_flags(force=force)
    require_positive("beta", beta, "times the precision")
    volumes = [_mask_volume(truth), _mask_volume(result)]
    limits = [
        _limit(volumes[0], "truth_threshold", truth_threshold),
        _limit(volumes[1], "threshold", threshold),
    ]
    boxes = compared_boxes(volumes, box, force=force)
    return score_mask(reduce(fold_mask_counts, (_count_block(volumes, limits, part) for part in boxes)), beta=beta)


@explain_calls
def cells(
    truth: TableLike,
    result: TableLike,
    tolerance_um: float = 6.5,
    *,
    border: str = "count",
    volume: VolumeLike | None = None,
    box: Box | str | None = None,
) -> CellScore:
    """Return detection scores and errors of place, size and number of cells.

    Parameters
    ----------
    truth, result : path or mapping of str to arrays
        Tables with the columns ``z_nm, y_nm, x_nm`` and, for errors of the size, ``radius_nm``.
    tolerance_um : float
        Maximum distance of a pair in micrometres, inclusive.
    border : {"count", "ignore"}
        Whether cells at most the tolerance away from a face of the volume count; see
        `voxome.metrics.cells.score_cells`.
    volume : str, path, Volume or array, optional
        Volume whose faces ``ignore`` means.
    box : Box or str, optional
        Part of the volume whose faces are meant, in store coordinates; by default all.

    Raises
    ------
    InvalidInput
        If a table lacks a column, a position is empty, or a radius is not positive; if ``ignore`` has no volume with
        a voxel size, or ``count`` has a volume.
    """
    require_positive("tolerance_um", tolerance_um, "micrometres")
    faces = _faces(border, volume, box)
    return score_cells(_cells("truth", truth), _cells("result", result), tolerance_um, border=border, faces=faces)


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


def _cells(argument: str, table: TableLike) -> Cells:
    columns = list(table) if isinstance(table, Mapping) else TableFile(require_path(argument, table)).columns
    names = ("radius_nm",)
    radius = _columns(argument, table, names)["radius_nm"] if "radius_nm" in columns else None
    return Cells(_points(argument, table), radius)


def _faces(border: str, volume: VolumeLike | None, box: Box | str | None) -> Faces | None:
    """Return the box in nm whose faces are meant."""
    if border != "ignore":
        if volume is not None or box is not None:
            raise InvalidInput("a volume and a box are for border='ignore' (--border ignore), which needs their faces")
        return None
    if volume is None:
        raise InvalidInput("border='ignore' needs the volume whose faces are meant: give volume= (--volume)")
    opened = _mask_volume(volume)
    size, offset = opened.spec.voxel_size_nm, opened.spec.offset_nm
    if size is None:
        raise InvalidInput(
            f"the voxel size of {opened.uri or 'the array'} is unknown, so its faces have no place in nm"
        )
    part = opened.domain if box is None else Box.of(box, opened.domain)
    if part.ndim != 3 or part.empty or part not in opened.domain:
        raise InvalidInput(f"the box {part} is empty or not inside the domain {opened.domain} of {opened.uri}")
    ends = (
        [o + (at - 0.5) * s for o, at, s in zip(offset, corner, size, strict=True)]
        for corner in (part.start, part.stop)
    )
    (z, y, x), (z_stop, y_stop, x_stop) = ends
    return Faces((z, y, x), (z_stop, y_stop, x_stop))


def _mask_volume(volume: VolumeLike) -> Volume:
    opened = as_volume(volume)
    if opened.ndim != 3:
        axes = "/".join(opened.axes)
        raise InvalidInput(f"{opened.uri or 'the array'} has axes {axes}; expected z, y and x: give one channel")
    return opened


def _limit(volume: Volume, argument: str, threshold: float | None) -> float:
    """Return the value above which a voxel is inside."""
    if threshold is not None:
        return require_finite(argument, threshold)
    if volume.spec.kind == "probability" or volume.dtype.kind == "f":
        raise InvalidInput(
            f"{volume.uri or 'the array'} is {volume.spec.kind} data of {volume.dtype}: give the value above which a "
            f"voxel is inside, with {argument}= (--{argument.replace('_', '-')})"
        )
    return 0.0


def _count_block(volumes: Sequence[Volume], limits: Sequence[float], box: Box) -> MaskCounts:
    truth, result = (volume.cutout(box) for volume in volumes)
    for volume, voxels in zip(volumes, (truth, result), strict=True):
        if voxels.dtype.kind == "f" and np.isnan(voxels).any():
            raise InvalidInput(f"{volume.uri or 'the array'} has voxels in {box} that are not numbers (NaN)")
    known = None
    if truth.dtype.kind == "i":
        known = truth != -1
    elif truth.dtype == np.uint64:
        known = truth != NOT_LABELLED
    return count_mask(truth > limits[0], result > limits[1], known)


def _edges(argument: str, table: TableLike) -> Edges:
    """Return the edges of a table; those with an unknown end are left out."""
    rows = _columns(argument, table, ("pre_id", "post_id", "directed"), drop_nulls=True)
    for name in ("pre_id", "post_id"):
        if rows[name].dtype.kind not in "iu":
            raise InvalidInput(f"the column {name} is {rows[name].dtype}; expected integers: floats round ids")
    return Edges(rows["pre_id"], rows["post_id"], rows["directed"].astype(np.bool_))
