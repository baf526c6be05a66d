"""Whether sections differ in brightness by as much as cells from what is around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.reports.cell_pictures import CellSlice

_MIN_SHARE = 0.3
"""Median difference of sections that is worth a warning, by the standard deviation within sections."""
_FEW, _MIN_FEW = 0.02, 1.0
"""Share of sections that is worth a warning, if they differ by so many standard deviations within sections."""
_MIN_RATIO = 2.5
"""The same, by differences along the other axis, which cells and vessels alone cause."""
_SHORT = 0.1
"""Window of the mean along z, in sections, for an image that is not smoothed."""
_MIN_WINDOWS = 4
"""Least height and width of a plane in windows of the contrast: of smaller ones, single cells change the means."""
_MEDIAN_WINDOWS = 1.6
"""Length of the running median, in windows: bands of up to half of it differ from it. With a median of twice this
length, up to a tenth of small planes without bands were found to have some, because of large vessels."""
_MOST_PIXELS = 256
"""Pixels of a section, evenly spaced, of which the median is taken."""


def band_facts(
    planes: Sequence[CellSlice], background_um: float, smoothing_um: float, depth_nm: float = 0.0
) -> dict[str, str]:
    """Return what says that sections differ in brightness, or that too few are shown to tell; empty if nothing does.

    Many sections may differ, or a few. Of many, the means of the rows of a side view are compared with those of the
    rows around them. Of a few, each pixel is compared with the median along z around it, and the median over the row
    tells by how much the section differs, whatever the cells and vessels in a part of it. Columns show how large both
    are without bands.

    Parameters
    ----------
    planes : sequence of CellSlice
        Planes of the volume; those across y are side views.
    background_um : float
        Standard deviation along z of the window of the contrast in micrometres.
    smoothing_um : float
        That with which the image is smoothed: a window of the mean as long along z takes away what sections share.
    depth_nm : float
        Length of the volume along z, of which side views may show a part.
    """
    least_nm = 1000 * _MIN_WINDOWS * background_um
    for plane in planes:
        if plane.axis == 1 and plane.size_nm[0] < least_nm <= min(depth_nm, plane.size_nm[1]):
            return {"bands along z": f"not looked for, as the side view has only {plane.raw.shape[0]:,} sections"}
        if plane.axis != 1 or min(plane.size_nm) < least_nm or not plane.tissue.any():
            continue
        values, sigmas = plane.raw.astype(np.float64), [1000 * background_um / size for size in plane.pixel_nm]
        text = _many(values, plane.tissue, sigmas, plane.size_nm) or _few(values, plane.tissue, sigmas)
        if text:
            section_um = plane.pixel_nm[0] / 1000
            window_um = smoothing_um or _SHORT * section_um
            return {
                "bands along z": (
                    f"{text}: cells and vessels may be missed or false: set tile_z_um={section_um:g} "
                    f"and background_z_um={window_um:g}, see What to set in docs/cells-vessels.md"
                )
            }
    return {}


def _many(
    values: NDArray[np.float64], tissue: NDArray[np.bool_], sigmas: Sequence[float], size_nm: tuple[float, float]
) -> str:
    """Return by how much sections differ from those around them, if about half of them do; empty if not."""
    values = np.where(tissue, values, 0)
    across, within = _deviation(values, tissue, sigmas[0])
    along, other = _deviation(values.T, tissue.T, sigmas[1])
    chance = along / other * np.sqrt(size_nm[0] / size_nm[1]) if other else 0.0
    if not (within and across / within >= max(_MIN_SHARE, _MIN_RATIO * chance)):
        return ""
    return (
        f"the mean of a section differs from those around it by {across:.3g} grey values, and voxels of a section by "
        f"{within:.3g}"
    )


def _few(values: NDArray[np.float64], tissue: NDArray[np.bool_], sigmas: Sequence[float]) -> str:
    """Return by how much a few sections differ from those around them, if they do; empty if not."""
    _, within = _deviation(np.where(tissue, values, 0), tissue, sigmas[0])
    (across, columns), (along, rows) = (
        _largest_offset(one, known, sigma)
        for one, known, sigma in ((values, tissue, sigmas[0]), (values.T, tissue.T, sigmas[1]))
    )
    if not across >= max(_MIN_FEW * within, _MIN_RATIO * along * np.sqrt(rows / columns)) > 0:
        return ""
    return (
        f"{_FEW:.0%} of the sections differ from those around them by {across:.3g} grey values or more, and voxels of "
        f"a section by {within:.3g}"
    )


def _largest_offset(values: NDArray[np.float64], tissue: NDArray[np.bool_], sigma: float) -> tuple[float, int]:
    """Return by how much a few rows (`_FEW`) differ from those around them, and in how many pixels that was seen."""
    columns = np.linspace(0, values.shape[1] - 1, min(_MOST_PIXELS, values.shape[1])).astype(np.int64)
    kept = tissue[:, columns].any(axis=1)
    if not kept.any():
        return 0.0, 1
    known = tissue[:, columns][kept]
    grey = np.where(known, values[:, columns][kept], np.nan)
    filled = np.where(known, grey, np.nanmedian(grey, axis=1, keepdims=True))
    around = ndimage.median_filter(filled, (2 * round(_MEDIAN_WINDOWS * sigma / 2) + 1, 1), mode="nearest")
    offsets = np.nanmedian(grey - around, axis=1)
    return float(np.quantile(np.abs(offsets), 1 - _FEW)), len(columns)


def _deviation(values: NDArray[np.float64], tissue: NDArray[np.bool_], sigma: float) -> tuple[float, float]:
    """Return how much means of rows differ from those around them (median), and the deviation within rows (mean)."""
    kept = tissue.any(axis=1)
    count = tissue.sum(axis=1).astype(np.float64)
    mean = values.sum(axis=1) / np.maximum(count, 1)
    around = ndimage.gaussian_filter1d(mean * count, sigma) / np.maximum(ndimage.gaussian_filter1d(count, sigma), 1e-9)
    spread = [row[known].std() for row, known in zip(values[kept], tissue[kept], strict=True)]
    return float(np.median(np.abs(mean - around)[kept])), float(np.mean(spread))
