"""Score results on disk against ground truth, block by block."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import reduce

import numpy as np

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_finite, require_flags, require_positive, require_positives
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.metrics.cells import CellScore, score_cells
from voxome.metrics.detection import DetectionScore, score_detections
from voxome.metrics.graph import match_neurons, score_graph
from voxome.metrics.instances import IOU_THRESHOLDS, InstanceScore, score_instances
from voxome.metrics.mask import MaskScore, fold_mask_counts, score_mask
from voxome.metrics.segmentation import (
    NOT_LABELLED,
    Contingency,
    SegmentationScore,
    contingency,
    fold_contingency,
    score_segmentation,
)
from voxome.metrics.vessels import VesselScore, fold_line_counts, score_vessels
from voxome.reports.comparison import compared_boxes
from voxome.reports.score_masks import count_line_block, count_mask_block, faces_of, open_mask, threshold_of
from voxome.reports.score_tables import (
    TableLike,
    read_cells,
    read_edges,
    read_length_nm,
    read_line_voxels,
    read_points,
)
from voxome.resources.labels import require_labels
from voxome.resources.volume_like import VolumeLike

_LOG = logging.getLogger(__name__)
_MANY = 5
"""Objects beside a single one from which on that is probably a mask."""


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
    table = count_pairs(truth, result, box, force=force)
    _warn_of_masks(table)
    return score_instances(table, limits)


def _warn_of_masks(table: Contingency) -> None:
    """Log a warning if one side has a single object, and the other many, as a mask beside labels has."""
    counts = [
        len(np.unique(labels[(labels != 0) & (table.truth != NOT_LABELLED)])) for labels in (table.truth, table.result)
    ]
    truths, results = counts
    for name, own, other in (("truth", truths, results), ("result", results, truths)):
        if own == 1 and other >= _MANY:
            _LOG.warning(
                "The %s has a single label, but there are %d on the other side: if it is a mask, label its objects "
                "first, as with common.components",
                name,
                other,
            )


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
    volumes = [open_mask(truth), open_mask(result)]
    limits = [
        threshold_of(volumes[0], "truth_threshold", truth_threshold),
        threshold_of(volumes[1], "threshold", threshold),
    ]
    boxes = compared_boxes(volumes, box, force=force)
    return score_mask(reduce(fold_mask_counts, (count_mask_block(volumes, limits, part) for part in boxes)), beta=beta)


@explain_calls
def vessels(
    truth: VolumeLike,
    result: VolumeLike,
    truth_lines: TableLike,
    result_lines: TableLike,
    box: Box | str | None = None,
    *,
    truth_branches: TableLike | None = None,
    result_branches: TableLike | None = None,
    truth_threshold: float | None = None,
    threshold: float | None = None,
    force: bool = False,
) -> VesselScore:
    """Return the centre-line Dice (clDice) of vessels, and the error of their length.

    Parameters
    ----------
    truth, result : str, path, Volume or array
        Masks (z, y, x); see `mask`.
    truth_lines, result_lines : path or mapping of str to arrays
        Voxels ``z, y, x`` of the centre lines of these masks, in store coordinates. They are held in memory.
    box : Box or str, optional
        See `count_pairs`; voxels of lines outside do not count.
    truth_branches, result_branches : path or mapping of str to arrays, optional
        Branches with the column ``length_nm``, of all of the volume.
    truth_threshold, threshold : float, optional
        See `mask`.
    force : bool
        See `count_pairs`.

    Raises
    ------
    InvalidInput
        As `mask`; also if a line leaves its mask, if a mask that is not empty has no line, or if only one table of
        branches is given.
    """
    require_flags(force=force)
    if (truth_branches is None) != (result_branches is None):
        raise InvalidInput("the error of the length needs the branches of both the truth and the result, or neither")
    volumes = [open_mask(truth), open_mask(result)]
    limits = [
        threshold_of(volumes[0], "truth_threshold", truth_threshold),
        threshold_of(volumes[1], "threshold", threshold),
    ]
    lines = [read_line_voxels("truth_lines", truth_lines), read_line_voxels("result_lines", result_lines)]
    branches = {"truth_branches": truth_branches, "result_branches": result_branches}
    lengths = [None if table is None else read_length_nm(name, table) for name, table in branches.items()]
    boxes = compared_boxes(volumes, box, force=force)
    counts = reduce(fold_line_counts, (count_line_block(volumes, limits, lines, part) for part in boxes))
    return score_vessels(counts, truth_length_nm=lengths[0], result_length_nm=lengths[1])


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
        Maximum distance of a pair in micrometres, inclusive; with 0, only equal places match.
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
    require_finite("tolerance_um", tolerance_um)
    faces = faces_of(border, volume, box)
    true_cells, found = read_cells("truth", truth), read_cells("result", result)
    return score_cells(true_cells, found, tolerance_um, border=border, faces=faces)


@explain_calls
def detections(truth: TableLike, result: TableLike, tolerance_nm: float = 150.0) -> DetectionScore:
    """Return precision, recall and F1 of the points of two tables with the columns ``z_nm, y_nm, x_nm``.

    Either may be the URI of annotations of points instead, as they are drawn in the viewer.

    Raises
    ------
    InvalidInput
        If a table lacks a column, or a position is empty.
    """
    require_positive("tolerance_nm", tolerance_nm, "nm")
    return score_detections(read_points("truth", truth), read_points("result", result), tolerance_nm)


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
    true_edges, edges = read_edges("truth", truth), read_edges("result", result)
    return score_graph(true_edges, edges, *match_neurons(count_pairs(truth_labels, result_labels, box, force=force)))
