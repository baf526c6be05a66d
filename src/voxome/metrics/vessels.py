"""Scores of vessels: how far centre lines are inside of the other mask, and errors of their length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput


class LineCounts(NamedTuple):
    """Numbers of voxels; those of blocks add up to those of the volume."""

    truth_mask: int
    result_mask: int
    truth_line: int
    """Voxels of the true centre lines."""
    truth_line_found: int
    """Those of them that are inside of the result."""
    result_line: int
    result_line_true: int
    """Voxels of the detected centre lines that are inside of the truth."""


@dataclass(frozen=True, slots=True)
class VesselScore:
    """Scores of vessels; None where lengths are not known."""

    cl_dice: float
    """Harmonic mean of the next two, in [0, 1]."""
    topology_precision: float
    """Share of the detected centre lines inside of the true vessels."""
    topology_sensitivity: float
    """Share of the true centre lines inside of the detected vessels."""
    truth_line_voxels: int
    result_line_voxels: int
    truth_length_mm: float | None
    result_length_mm: float | None
    length_error: float | None
    """(detected - true length) / true length."""


def count_lines(
    *,
    truth: NDArray[np.bool_],
    result: NDArray[np.bool_],
    truth_line: NDArray[Any],
    result_line: NDArray[Any],
) -> LineCounts:
    """Count the voxels of centre lines that are inside of the other mask.

    Parameters
    ----------
    truth, result : (z, y, x) bool
        Masks of vessels, of the same shape; True is inside.
    truth_line, result_line : (n, 3) and (m, 3) int
        Voxels of the centre lines, as indices into these arrays.

    Raises
    ------
    InvalidInput
        If the masks are not bool, which a probability is not, or differ in shape, or if a line leaves its mask.
    """
    if truth.shape != result.shape or truth.dtype != np.bool_ or result.dtype != np.bool_:
        shapes = f"{truth.shape} {truth.dtype}, {result.shape} {result.dtype}"
        raise InvalidInput(f"Expected masks (bool) of the same shape, not {shapes}")
    lines = [np.asarray(line).reshape(-1, 3) for line in (truth_line, result_line)]
    for name, line, mask in (("truth", lines[0], truth), ("result", lines[1], result)):
        outside = len(line) - int(np.count_nonzero(mask[tuple(line.T)]))
        if outside:
            raise InvalidInput(
                f"{outside} voxels of the centre lines of the {name} are not in its mask: give the lines of this mask"
            )
    return LineCounts(
        truth_mask=int(np.count_nonzero(truth)),
        result_mask=int(np.count_nonzero(result)),
        truth_line=len(lines[0]),
        truth_line_found=int(np.count_nonzero(result[tuple(lines[0].T)])),
        result_line=len(lines[1]),
        result_line_true=int(np.count_nonzero(truth[tuple(lines[1].T)])),
    )


def fold_line_counts(a: LineCounts, b: LineCounts) -> LineCounts:
    """Add the counts of two blocks; associative and commutative."""
    return LineCounts(*(x + y for x, y in zip(a, b, strict=True)))


def score_vessels(
    counts: LineCounts, *, truth_length_nm: float | None = None, result_length_nm: float | None = None
) -> VesselScore:
    """Return the centre-line Dice of vessels, and the error of their length.

    clDice is the harmonic mean of the share of each centre line that is inside of the other mask (Shit et al. 2021,
    CVPR). It counts voxels of lines, so wide and narrow vessels weigh the same. If both masks are empty it is
    1; if one is, it is 0.

    Parameters
    ----------
    counts : LineCounts
        Numbers of voxels, from `count_lines`.
    truth_length_nm, result_length_nm : float, optional
        Total lengths, of smoothed lines: the number of voxels of a line depends on its direction.

    Raises
    ------
    InvalidInput
        If a mask that is not empty has no centre line: thinning has lost it, and the score would mean nothing.
    """
    for name, mask, line in (
        ("truth", counts.truth_mask, counts.truth_line),
        ("result", counts.result_mask, counts.result_line),
    ):
        if mask and not line:
            raise InvalidInput(f"the {name} has {mask} voxels of vessels but no centre line: thin it without loss")
    empty = not (counts.truth_mask or counts.result_mask)
    precision = counts.result_line_true / counts.result_line if counts.result_line else float(empty)
    sensitivity = counts.truth_line_found / counts.truth_line if counts.truth_line else float(empty)
    both = precision + sensitivity
    error = None
    if truth_length_nm and result_length_nm is not None:
        error = (result_length_nm - truth_length_nm) / truth_length_nm
    return VesselScore(
        cl_dice=2 * precision * sensitivity / both if both else 0.0,
        topology_precision=precision,
        topology_sensitivity=sensitivity,
        truth_line_voxels=counts.truth_line,
        result_line_voxels=counts.result_line,
        truth_length_mm=None if truth_length_nm is None else truth_length_nm / 1e6,
        result_length_mm=None if result_length_nm is None else result_length_nm / 1e6,
        length_error=error,
    )
