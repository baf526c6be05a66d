"""Whether sections differ in brightness by as much as cells from what is around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.reports.cell_pictures import CellSlice

_MIN_SHARE = 0.3
"""Deviation of the means of sections that is worth a warning, by the standard deviation within sections."""
_MIN_RATIO = 2.5
"""The same, by that of the means along z, which cells and vessels alone cause."""
_SHORT = 0.1
"""Window of the mean along z, in sections, for an image that is not smoothed."""
_MIN_WINDOWS = 4
"""Least height and width of a plane in windows of the contrast: of smaller ones, single cells change the means."""


def band_facts(planes: Sequence[CellSlice], background_um: float, smoothing_um: float) -> dict[str, str]:
    """Return what says that sections differ in brightness; empty if nothing does.

    The mean of each row of a side view is compared with that of the rows around it, in the window of the contrast,
    and with the means of columns: cells and vessels change both, bands along z only those of rows.

    Parameters
    ----------
    planes : sequence of CellSlice
        Planes of the volume; those across y are side views.
    background_um : float
        Standard deviation along z of the window of the contrast in micrometres.
    smoothing_um : float
        That with which the image is smoothed: a window of the mean as long along z takes away what sections share.
    """
    least_nm = 1000 * _MIN_WINDOWS * background_um
    for plane in planes:
        if plane.axis != 1 or min(plane.size_nm) < least_nm or not plane.tissue.any():
            continue
        height_nm, width_nm = plane.size_nm
        values = np.where(plane.tissue, plane.raw, 0).astype(np.float64)
        across, within = _deviation(values, plane.tissue, 1000 * background_um / plane.pixel_nm[0])
        along, other = _deviation(values.T, plane.tissue.T, 1000 * background_um / plane.pixel_nm[1])
        chance = along / other * np.sqrt(height_nm / width_nm) if other else 0.0
        if within and across / within >= max(_MIN_SHARE, _MIN_RATIO * chance):
            section_um = plane.pixel_nm[0] / 1000
            window_um = smoothing_um or _SHORT * section_um
            return {
                "bands along z": (
                    f"the mean of a section differs from those around it by {across:.3g} grey values, and voxels of a "
                    f"section by {within:.3g}: cells and vessels may be missed or false: set tile_z_um={section_um:g} "
                    f"and background_z_um={window_um:g}, see What to set in docs/cells-vessels.md"
                )
            }
    return {}


def _deviation(values: NDArray[np.float64], tissue: NDArray[np.bool_], sigma: float) -> tuple[float, float]:
    """Return how much means of rows differ from those around them (median), and the deviation within rows (mean)."""
    kept = tissue.any(axis=1)
    count = tissue.sum(axis=1).astype(np.float64)
    mean = values.sum(axis=1) / np.maximum(count, 1)
    around = ndimage.gaussian_filter1d(mean * count, sigma) / np.maximum(ndimage.gaussian_filter1d(count, sigma), 1e-9)
    spread = [row[known].std() for row, known in zip(values[kept], tissue[kept], strict=True)]
    return float(np.median(np.abs(mean - around)[kept])), float(np.mean(spread))
