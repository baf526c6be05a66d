"""Absorption from projections, flat fields and dark fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput

MIN_ANGLES = 8
"""Projections from which on a detector pixel that never changes is called dead."""


@dataclass(frozen=True)
class Absorption:
    """Absorption of some detector rows.

    Attributes
    ----------
    values : (angles, rows, columns) float32
        Negative logarithm of the transmission. It may be negative, where noise makes the transmission exceed 1.
    dead : (rows, columns) bool
        Detector pixels that cannot be used: not more light in the flat than in the dark field, a field that is not
        finite, or a value that never changes beside others that do. Their values are interpolated along the row.
    dark_values : int
        Other values without a logarithm, because they are not brighter than the dark field or not finite; also
        interpolated.
    """

    values: NDArray[np.float32]
    dead: NDArray[np.bool_]
    dark_values: int


def absorption(
    projections: NDArray[np.generic],
    flats: NDArray[np.generic],
    darks: NDArray[np.generic] | None = None,
    *,
    first_row: int = 0,
) -> Absorption:
    """Return the absorption of projections.

    Parameters
    ----------
    projections : (angles, rows, columns) array
        Intensities of any dtype; they are subtracted as float32, so unsigned integers do not wrap.
    flats, darks : (n, rows, columns) arrays
        Flat fields (beam without sample), and dark fields (no beam; by default 0), which are averaged.
    first_row : int
        Detector row of the first row of the arrays, as errors name it.

    Raises
    ------
    InvalidInput
        If shapes differ, or all pixels of a row are dead.
    """
    require_fields(projections.shape, flats.shape, "flats")
    flat = flats.astype(np.float32).mean(axis=0)
    dark = np.zeros_like(flat)
    if darks is not None:
        require_fields(projections.shape, darks.shape, "darks")
        dark = darks.astype(np.float32).mean(axis=0)
    beam = flat - dark
    signal = projections.astype(np.float32) - dark
    dead = ~((beam > 0) & np.isfinite(beam)) | _stuck(projections)
    if dead.all(axis=1).any():
        row = first_row + int(np.flatnonzero(dead.all(axis=1))[0])
        raise InvalidInput(
            f"Detector row {row} has no usable pixel: its flat field is nowhere brighter than its dark field, or no "
            "value ever changes; expected flat fields taken with the beam on"
        )
    unknown = ~((signal > 0) & np.isfinite(signal)) & ~dead
    with np.errstate(divide="ignore", invalid="ignore"):
        values = -np.log(signal / beam)
    usable = ~(unknown | dead)
    for angle, row in np.argwhere(~usable.all(axis=2)):
        good = usable[angle, row]
        if not good.any():
            raise InvalidInput(
                f"Projection {angle} has no value above the dark field in detector row {first_row + row}; leave the "
                "projection out"
            )
        columns = np.arange(len(good))
        values[angle, row, ~good] = np.interp(columns[~good], columns[good], values[angle, row, good])
    return Absorption(values.astype(np.float32), dead, int(unknown.sum()))


def _stuck(projections: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return the pixels that never change although some on both sides of them do."""
    if len(projections) < MIN_ANGLES:
        return np.zeros(projections.shape[1:], bool)
    still = (projections == projections[:1]).all(axis=0)
    moving = ~still
    left = np.logical_or.accumulate(moving, axis=1)
    right = np.logical_or.accumulate(moving[:, ::-1], axis=1)[:, ::-1]
    stuck: NDArray[np.bool_] = still & left & right
    return stuck


def require_fields(projections: Sequence[int], fields: Sequence[int], name: str) -> None:
    """Check that fields have the rows and columns of the projections.

    Parameters
    ----------
    projections, fields : sequence of int
        Shapes.
    name : str
        What errors call the fields.

    Raises
    ------
    InvalidInput
        If they have not.
    """
    if len(fields) != 3 or not fields[0] or tuple(fields[1:]) != tuple(projections[1:]):
        raise InvalidInput(
            f"{name} have the shape {tuple(fields)}; expected (number, rows, columns) with the rows and columns of the "
            f"projections, {tuple(projections[1:])}"
        )
