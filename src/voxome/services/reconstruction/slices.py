"""Reconstruction of one slice from its sinogram, by scikit-image."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Slice = NDArray[np.float32]


def centre_sinogram(
    sinogram: NDArray[np.float32], axis: float, opposite: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """Return a sinogram (angles, columns) whose middle column is the axis of rotation.

    It is extended by the mirror images of the projections `opposite`, see `opposite_projections`, and by the values at
    its sides, not rolled or cut, to an odd number of columns; scikit-image turns about the middle of these. A fraction
    of a column is shifted by cubic splines.
    """
    columns = sinogram.shape[1]
    half = math.ceil(max(axis, columns - 1 - axis)) + 1
    whole = math.floor(axis)
    before, after = half - whole + 1, whole + half + 2 - columns
    padded = np.pad(sinogram, ((0, 0), (max(before, 0), max(after, 0))), mode="edge")
    if axis != whole:
        padded = ndimage.shift(padded, (0.0, whole - axis), order=3, mode="nearest")
    wide = np.ascontiguousarray(padded[:, 1 : 2 * half + 2])
    if opposite is not None and (opposite >= 0).any():
        place = np.arange(2 * half + 1) - half + axis
        seen = (place >= 0) & (place <= columns - 1)
        missing, paired = ~seen & seen[::-1], np.flatnonzero(opposite >= 0)
        wide[np.ix_(paired, missing)] = wide[opposite[paired], ::-1][:, missing]
    return wide


def opposite_projections(angles_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each projection the number of the one that is 180 degrees away, or -1 if there is none."""
    order = np.argsort(angles_deg % 360.0, kind="stable")
    turned = np.sort(angles_deg % 360.0)
    step = 360.0 / max(len(angles_deg), 1)
    wanted = (angles_deg + 180.0) % 360.0
    nearest = np.searchsorted(turned, wanted)
    result = np.full(len(angles_deg), -1, np.int64)
    for shift in (-1, 0):
        number = (nearest + shift) % len(turned)
        away = np.abs((turned[number] - wanted + 180.0) % 360.0 - 180.0)
        result = np.where(away <= step / 20, order[number], result)
    return result


def filtered_back_projection(sinogram: NDArray[np.float32], angles_deg: NDArray[np.float64], _: int) -> Slice:
    """Return the absorption per voxel (y, x) by filtered back-projection with a ramp filter."""
    from skimage.transform import iradon

    result: Slice = iradon(
        sinogram.T, theta=angles_deg, output_size=sinogram.shape[1], filter_name="ramp", circle=True
    ).astype(np.float32)
    return result


def sart(sinogram: NDArray[np.float32], angles_deg: NDArray[np.float64], iterations: int) -> Slice:
    """Return the absorption per voxel (y, x) by the simultaneous algebraic technique (Andersen & Kak 1984)."""
    from skimage.transform import iradon_sart

    image = None
    for _ in range(iterations):
        image = iradon_sart(sinogram.T.astype(np.float64), theta=angles_deg, image=image)
    result: Slice = np.asarray(image).astype(np.float32)
    return result


METHODS: dict[str, Callable[[NDArray[np.float32], NDArray[np.float64], int], Slice]] = {
    "fbp": filtered_back_projection,
    "sart": sart,
}
"""Name → function of a centred sinogram, angles and iterations."""


def reconstruct_slice(
    sinogram: NDArray[np.float32], angles_deg: NDArray[np.float64], axis: float, method: str, iterations: int
) -> Slice:
    """Return the absorption per voxel (y, x) of a slice; its sides are as long as the detector, its axis at ``n // 2``.

    Parameters
    ----------
    sinogram : (angles, columns) float32
        Absorption.
    angles_deg : (angles,) float64
        Angles, evenly over 180 or 360 degrees. At 0, columns run along x.
    axis : float
        Column of the axis of rotation.
    method : {"fbp", "sart"}
        Algorithm.
    iterations : int
        Iterations of sart.
    """
    columns = sinogram.shape[1]
    centred = centre_sinogram(sinogram, axis, opposite_projections(angles_deg))
    wide = METHODS[method](centred, angles_deg, iterations)
    first = wide.shape[0] // 2 - columns // 2
    return wide[first : first + columns, first : first + columns]
