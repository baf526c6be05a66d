"""Masks that are scored, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.arguments import require_finite
from voxome.contracts.probability import threshold_problem
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.metrics.cells import Faces
from voxome.metrics.mask import MaskCounts, count_mask
from voxome.metrics.segmentation import NOT_LABELLED
from voxome.metrics.vessels import LineCounts, count_lines
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume


def open_mask(volume: VolumeLike) -> Volume:
    """Open a volume (z, y, x) of masks, labels or probabilities."""
    opened = as_volume(volume)
    if opened.ndim != 3:
        axes = "/".join(opened.axes)
        raise InvalidInput(f"{opened.uri or 'the array'} has axes {axes}; expected z, y and x: give one channel")
    return opened


def threshold_of(volume: Volume, argument: str, threshold: float | None) -> float:
    """Return the value above which a voxel is inside."""
    if threshold is not None:
        if problem := threshold_problem(argument, threshold, str(volume.uri or "the array"), volume.spec):
            raise InvalidInput(problem)
        return require_finite(argument, threshold)
    if volume.spec.kind == "probability" or volume.dtype.kind == "f":
        raise InvalidInput(
            f"{volume.uri or 'the array'} is {volume.spec.kind} data of {volume.dtype}: give the value above which a "
            f"voxel is inside, with {argument}= (--{argument.replace('_', '-')})"
        )
    return 0.0


def _cutouts(volumes: Sequence[Volume], box: Box) -> list[NDArray[Any]]:
    """Return the voxels of a box of each volume, which are numbers."""
    cutouts = [volume.cutout(box) for volume in volumes]
    for volume, voxels in zip(volumes, cutouts, strict=True):
        if voxels.dtype.kind == "f" and np.isnan(voxels).any():
            raise InvalidInput(f"{volume.uri or 'the array'} has voxels in {box} that are not numbers (NaN)")
    return cutouts


def count_mask_block(volumes: Sequence[Volume], limits: Sequence[float], box: Box) -> MaskCounts:
    """Count the voxels of a box of the truth and the result that are above their limits."""
    truth, result = _cutouts(volumes, box)
    known = None
    if truth.dtype.kind == "i":
        known = truth != -1
    elif truth.dtype == np.uint64:
        known = truth != NOT_LABELLED
    return count_mask(truth > limits[0], result > limits[1], known)


def count_line_block(
    volumes: Sequence[Volume], limits: Sequence[float], lines: Sequence[NDArray[np.int64]], box: Box
) -> LineCounts:
    """Count the voxels of lines (n, 3), sorted along z, in a box of the truth and the result."""
    truth, result = (voxels > limit for voxels, limit in zip(_cutouts(volumes, box), limits, strict=True))
    start, stop = np.array(box.start), np.array(box.stop)
    parts = []
    for line in lines:
        first, last = np.searchsorted(line[:, 0], [box.start[0], box.stop[0]])
        part = line[first:last]
        parts.append(part[((part >= start) & (part < stop)).all(axis=1)] - start)
    return count_lines(truth=truth, result=result, truth_line=parts[0], result_line=parts[1])


def faces_of(border: str, volume: VolumeLike | None, box: Box | str | None) -> Faces | None:
    """Return the box in nm whose faces are meant."""
    if border != "ignore":
        if volume is not None or box is not None:
            raise InvalidInput("a volume and a box are for border='ignore' (--border ignore), which needs their faces")
        return None
    if volume is None:
        raise InvalidInput("border='ignore' needs the volume whose faces are meant: give volume= (--volume)")
    opened = open_mask(volume)
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
