"""Reconstruction of a volume, a slab of detector rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_calls
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnknownName
from voxome.extras import require
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.reconstruction.absorption import absorption, require_fields
from voxome.services.reconstruction.axis import find_axis, look_like_a_full_turn
from voxome.services.reconstruction.slices import METHODS, reconstruct_slice
from voxome.services.rollback import created_or_removed

_ROWS_FOR_AXIS = 16
"""Detector rows from which the axis is found."""
_CHUNK = (16, 64, 64)
_UNEVEN = 0.05
"""Largest deviation of the step between angles, as a share of it, that filtered back-projection takes."""
_FULL_TURN_RAD = 6.3
"""Angles within this range are radians: so few degrees would show no structure."""


@dataclass(frozen=True)
class Reconstruction:
    """What a reconstruction found.

    Attributes
    ----------
    axis : float
        Column of the axis of rotation.
    dead_pixels : list of (row, column)
        Detector pixels that were not used.
    dark_values : int
        Other values that were not brighter than the dark field, and were interpolated.
    """

    axis: float
    dead_pixels: list[tuple[int, int]]
    dark_values: int


@explain_calls
def reconstruct(
    projections: VolumeLike,
    out: str,
    flats: VolumeLike,
    darks: VolumeLike | None = None,
    *,
    angles_deg: Sequence[float] | None = None,
    axis: float | None = None,
    method: str = "fbp",
    iterations: int = 3,
    pixel_size_nm: float,
    slab: int = _CHUNK[0],
) -> Reconstruction:
    """Reconstruct a volume from X-ray projections.

    Rows of the detector are read in slabs, which hold all angles; slices do not depend on slabs.

    Parameters
    ----------
    projections : volume (angle, row, column)
        Intensities.
    out : str
        URI of the volume (z, y, x) to create: float32, absorption per voxel, 0 outside the circle that the detector
        sees. Its z are the rows, and the axis of rotation is in the middle of y and x, at index ``columns // 2``.
        It is removed if the reconstruction fails.
    flats, darks : volumes (number, row, column)
        Flat and dark fields.
    angles_deg : sequence of float, optional
        Angle of every projection, in degrees; by default evenly over 180 degrees, without the last one. At 0, columns
        run along x. Over 360 degrees, projections complete those on the other side, so that the axis may be anywhere.
    axis : float, optional
        Column of the axis of rotation, where 0 is the middle of the first one; by default, it is found.
    method : {"fbp", "sart"}
        Filtered back-projection, or the simultaneous algebraic reconstruction technique.
    iterations : int
        Iterations of sart.
    pixel_size_nm : float
        Size of a detector pixel at the sample.
    slab : int
        Detector rows reconstructed at a time, without effect on the result.

    Returns
    -------
    Reconstruction
        The axis, and pixels and values that were not used.

    Raises
    ------
    InvalidInput
        If shapes, angles, fields or options do not fit, or the axis cannot be found.
    MissingExtra
        If scikit-image is not installed.
    """
    require("reconstruction", "skimage")
    source, flat, dark = as_volume(projections), as_volume(flats), None if darks is None else as_volume(darks)
    if len(source.shape) != 3:
        raise InvalidInput(f"projections have the shape {source.shape}; expected (angles, rows, columns)")
    require_fields(source.shape, flat.shape, "flats")
    if dark is not None:
        require_fields(source.shape, dark.shape, "darks")
    count, rows, columns = source.shape
    if method not in METHODS:
        raise UnknownName.of("method", method, METHODS)
    angles = _angles(angles_deg, count, method)
    if axis is not None and not 0 <= axis <= columns - 1:
        raise InvalidInput(f"axis is {axis:g}; expected a column of the detector, 0 to {columns - 1}")
    if not pixel_size_nm > 0 or slab < 1 or iterations < 1:
        raise InvalidInput(f"Expected positive numbers; got {pixel_size_nm=:g}, {slab=}, {iterations=}")

    def read(volume: object, first: int, last: int) -> NDArray[np.generic]:
        return np.asarray(volume[:, first:last, :])  # type: ignore[index]

    def absorb(first: int, last: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        found = absorption(
            read(source, first, last),
            read(flat, first, last),
            None if dark is None else read(dark, first, last),
            first_row=first,
        )
        return found.values, found.dead, found.dark_values

    if axis is None or angles_deg is None:
        chosen = np.unique(np.linspace(0, rows - 1, min(rows, _ROWS_FOR_AXIS)).astype(int)).tolist()
        some = np.concatenate([absorb(row, row + 1)[0] for row in chosen], axis=1)
        axis = find_axis(some, angles) if axis is None else axis
        if angles_deg is None and look_like_a_full_turn(some, axis):
            raise InvalidInput(
                f"The last projection resembles the first, not its mirror image at column {axis:.4g}, as if they were "
                "360 degrees apart, not 180, or the axis elsewhere: give angles_deg, and the axis if it is known"
            )
    shape = (rows, columns, columns)
    chunk = tuple(min(one, n) for one, n in zip(_CHUNK, shape, strict=True))
    spec = VolumeSpec.of(shape, "float32", chunk=chunk, voxel_size_nm=(pixel_size_nm,) * 3)
    dead: list[tuple[int, int]] = []
    dark_values = 0
    with created_or_removed(out, spec) as created:
        target = Volume(created)
        for first in range(0, rows, slab):
            values, broken, below = absorb(first, min(first + slab, rows))
            dead += [(first + int(row), int(column)) for row, column in np.argwhere(broken)]
            dark_values += below
            slices = [
                reconstruct_slice(values[:, row], angles, axis, method, iterations) for row in range(values.shape[1])
            ]
            target[first : first + len(slices)] = np.stack(slices)
    return Reconstruction(axis, dead, dark_values)


def _angles(angles_deg: Sequence[float] | None, count: int, method: str) -> NDArray[np.float64]:
    """Return the angles.

    Raises
    ------
    InvalidInput
        If their number is wrong, they are radians, or do not cover 180 or 360 degrees evenly, which filtered
        back-projection needs.
    """
    if angles_deg is None:
        return np.arange(count, dtype=np.float64) * (180.0 / count)
    angles = np.asarray(angles_deg, np.float64)
    if angles.shape != (count,):
        raise InvalidInput(f"There are {angles.size} angles for {count} projections; expected one each")
    if count > 1 and float(np.ptp(angles)) <= _FULL_TURN_RAD:
        raise InvalidInput(
            f"The angles go from {angles.min():g} to {angles.max():g}; expected degrees: convert radians, as with "
            "numpy.rad2deg"
        )
    steps = np.diff(np.sort(angles))
    step = float(np.median(steps)) if count > 1 else 0.0
    span = float(np.ptp(angles)) + step / 2
    even = step > 0 and bool((np.abs(steps - step) <= _UNEVEN * step).all())
    if method == "fbp" and not (even and min(abs(span - 180.0), abs(span - 360.0)) <= 0.6 * step):
        raise InvalidInput(
            f"The angles go from {angles.min():g} to {angles.max():g} degrees in steps of "
            f"{steps.min(initial=step):g} to {steps.max(initial=step):g}; fbp expects equal steps over 180 or 360 "
            "degrees: use the method sart"
        )
    return angles
