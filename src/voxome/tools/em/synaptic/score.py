"""Score of candidate synapses: dark, compact spots thicker than membranes and thinner than mitochondria."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.errors import InvalidInput

_FINE = 64
"""Smoothed intensities are in units of 1/64 grey level."""
_TRUNCATE = 3.0


@dataclass(frozen=True, slots=True)
class PsdParams:
    """Parameters of dark spots.

    Attributes
    ----------
    sigma_nm : float
        Standard deviation of the smoothing: about half the thickness of a membrane, to blur ordinary membranes.
    thickest_nm : float
        Size of the cube for the top-hat: larger dark objects, such as mitochondria and glia, are removed.
    plateau : float
        Darkness, relative to the first percentile, that is tolerated around a spot.
    membrane_nm : float
        Maximum distance of a spot from membranes, with a membrane map.
    """

    sigma_nm: float = 15.0
    thickest_nm: float = 110.0
    plateau: float = 0.45
    membrane_nm: float = 30.0


def psd_halo(params: PsdParams, voxel_size_nm: Sequence[float]) -> tuple[int, int, int]:
    """Return the halo (z, y, x) of `psd_score` on each side, in voxels."""
    smooth, window, near = _extents(params, voxel_size_nm)
    z, y, x = (max(s + 2 * (w // 2), n) for s, w, n in zip(smooth, window, near, strict=True))
    return z, y, x


def psd_score(
    raw: NDArray[Any],
    *,
    median: float,
    percentile_1: float,
    voxel_size_nm: Sequence[float],
    params: PsdParams = PsdParams(),
    membranes: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Score voxels by their similarity to a T-bar or postsynaptic density.

    Darkness is 0 at the median of the image and 1 at its first percentile, about the grey value of mitochondria.
    Smoothing blurs structures as thin as membranes, and a white top-hat of the darkness (Serra 1982, Image Analysis and
    Mathematical Morphology: the residue of an opening by a cube) removes those thicker than the cube. A voxel must be
    dark both absolutely and in the top-hat.

    Parameters
    ----------
    raw : (z, y, x) uint8 or other integer
        EM image with dark membranes.
    median, percentile_1 : float
        Grey values over all blocks.
    voxel_size_nm : (z, y, x)
        Voxel size.
    params : PsdParams
        Parameters.
    membranes : (z, y, x) uint8, optional
        Membrane map (255 is membrane); voxels far from membranes score 0.

    Returns
    -------
    (z, y, x) uint8
        Darkness in hundredths, at most 255; T-bars peak at about 120 to 140. Bitwise equal in any array that extends by
        `psd_halo` voxels, or to the border of the domain, on every side.

    Raises
    ------
    InvalidInput
        If the image has no contrast, or the arrays differ in shape.
    """
    if not median > percentile_1:
        raise InvalidInput(
            f"The median {median} must exceed the first percentile {percentile_1}: the image has no contrast"
        )
    if membranes is not None and membranes.shape != raw.shape:
        raise InvalidInput(f"raw {raw.shape} and membranes {membranes.shape} must have the same shape")
    smooth, window, near = _extents(params, voxel_size_nm)
    sigma = [params.sigma_nm / size for size in voxel_size_nm]
    grey = ndimage.gaussian_filter(raw.astype(np.float64), sigma, radius=smooth, mode="nearest")
    dark = np.rint(grey * -_FINE).astype(np.int32)
    opened = ndimage.maximum_filter(ndimage.minimum_filter(dark, window, mode="nearest"), window, mode="nearest")
    spread = (median - percentile_1) * _FINE
    darkness = (dark + median * _FINE) / spread
    spot = np.minimum(darkness, (dark - opened) / spread + params.plateau)
    score: NDArray[np.uint8] = np.clip(np.rint(100 * spot), 0, 255).astype(np.uint8)
    if membranes is not None:
        size = [2 * n + 1 for n in near]
        score[ndimage.maximum_filter(membranes, size, mode="nearest") < 128] = 0
    return score


def _extents(params: PsdParams, voxel_size_nm: Sequence[float]) -> tuple[list[int], list[int], list[int]]:
    """Return, in voxels (z, y, x), the smoothing radius, the side of the cube (odd), and the membrane distance."""
    smooth = [math.ceil(_TRUNCATE * params.sigma_nm / size) for size in voxel_size_nm]
    window = [2 * round(params.thickest_nm / size / 2 - 0.5) + 1 for size in voxel_size_nm]
    near = [math.floor(params.membrane_nm / size) for size in voxel_size_nm]
    return smooth, window, near
