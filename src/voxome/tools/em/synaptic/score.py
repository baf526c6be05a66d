"""Where a synapse may be: dark, compact spots, thicker than a membrane and thinner than a mitochondrion."""

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
"""Smoothed intensities are kept in 1/64 of a grey level."""
_TRUNCATE = 3.0


@dataclass(frozen=True, slots=True)
class PsdParams:
    """What counts as a dark spot.

    Attributes
    ----------
    sigma_nm : float
        Standard deviation of the smoothing: about half the thickness of a membrane, so that an ordinary one
        fades.
    thickest_nm : float
        Dark things that hold a cube of this side are mitochondria, glia or the like, and are taken away.
    plateau : float
        Darkness (1 at the image's first percentile) that may be left of the surroundings of a spot.
    membrane_nm : float
        With a membrane map: how far from a membrane a spot may lie.
    """

    sigma_nm: float = 15.0
    thickest_nm: float = 110.0
    plateau: float = 0.45
    membrane_nm: float = 30.0


def psd_halo(params: PsdParams, voxel_size_nm: Sequence[float]) -> tuple[int, int, int]:
    """Voxels (z, y, x) that `psd_score` must see on each side of a voxel to give it its score."""
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
    """Score every voxel by how much it looks like a T-bar or a postsynaptic density.

    Darkness is 0 at the median of the image and 1 at its first percentile, about the grey of mitochondria. A
    white top-hat (Serra 1982, Image Analysis and Mathematical Morphology: what an opening by a cube takes
    away) of darkness leaves what is thinner than the cube; the smoothing has faded what is as thin as a
    membrane. A voxel must be dark both absolutely and by its top-hat.

    Parameters
    ----------
    raw : (z, y, x) uint8 or other integer
        Electron micrograph, dark membranes.
    median, percentile_1 : float
        Grey values of the whole box that is run, never of one block.
    voxel_size_nm : (z, y, x)
        Voxel size.
    params : PsdParams
        What counts as a dark spot.
    membranes : (z, y, x) uint8, optional
        Membrane map, 255 = membrane; voxels far from membranes score 0.

    Returns
    -------
    (z, y, x) uint8
        Hundredths of darkness, at most 255; T-bars peak at about 120 to 140. Bitwise the same for any array
        that holds `psd_halo` voxels, or the border of the domain, on every side of the voxel.

    Raises
    ------
    InvalidInput
        If the image has no contrast, or the arrays differ in shape.
    """
    if not median > percentile_1:
        raise InvalidInput(
            f"the image's median {median} must be above its first percentile {percentile_1}: "
            "an image of one grey level has no synapses"
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
    """Voxels (z, y, x): radius of the smoothing, side of the cube (odd), reach of a membrane."""
    smooth = [math.ceil(_TRUNCATE * params.sigma_nm / size) for size in voxel_size_nm]
    window = [2 * round(params.thickest_nm / size / 2 - 0.5) + 1 for size in voxel_size_nm]
    near = [math.floor(params.membrane_nm / size) for size in voxel_size_nm]
    return smooth, window, near
