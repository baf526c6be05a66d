"""Faults in the contrast of an electron micrograph, seen in a sample of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.tools.common.flatness import flat_areas

MAX_CLIPPED = 0.05
"""Share of the tissue that may have the lowest, or the highest, grey value."""
MIN_LEVELS = 32
"""Number of grey values that tissue should have."""
MIN_RIDGES = 0.9
"""Minimum ratio of dark to bright ridges; 1.27 to 1.72 in FIB-SEM, ssTEM and phantoms, the inverse if inverted."""
_SECTIONS = 16
"""Number of sections of a block that are looked at."""
_SIGMA = 1.5
_MARGIN = 13
"""Side of the square around areas without data in which ridges do not count."""


def contrast_warnings(blocks: Iterable[NDArray[Any]]) -> Iterator[str]:
    """Yield what is unusual about an EM image with dark membranes.

    Parameters
    ----------
    blocks : iterable of (z, y, x) arrays
        A sample of the image.

    Yields
    ------
    str
        A sentence that begins with a verb, for the name of the image before it.
    """
    sections = [block[:: max(1, len(block) // _SECTIONS)] for block in blocks if block.size]
    flat = [flat_areas(section) for section in sections]
    total = sum(section.size for section in sections)
    missing = sum(int(area.sum()) for area in flat)
    if total and missing == total:
        low = min(float(section.min()) for section in sections)
        high = max(float(section.max()) for section in sections)
        yield f"is constant, or nearly so, in a sample of {total:,} voxels (grey values {low:g} to {high:g})"
        return
    if missing:
        yield f"has no data in {missing / total:.1%} of a sample of {total:,} voxels: areas of one grey value"
    tissue = np.concatenate([section[~area] for section, area in zip(sections, flat, strict=True)] or [np.empty(0)])
    yield from _histogram_warnings(tissue[np.isfinite(tissue)] if tissue.dtype.kind == "f" else tissue)
    if _ridge_ratio(sections, flat) < MIN_RIDGES:
        yield (
            "seems inverted, with bright membranes, but dark ones are expected: add ?window=255:0 to its URI (with its "
            "own highest and lowest value)"
        )


def _histogram_warnings(tissue: NDArray[Any]) -> Iterator[str]:
    values, counts = np.unique(tissue, return_counts=True)
    if not len(values):
        return
    for name, end in (("lowest", 0), ("highest", -1)):
        share = counts[end] / len(tissue)
        if len(values) > 1 and share > MAX_CLIPPED:
            yield (
                f"is clipped: {share:.0%} of the tissue in a sample has its {name} grey value, {values[end]:g}; use "
                "the original image, or a wider window"
            )
    if len(values) < MIN_LEVELS:
        yield (
            f"has only {len(values)} grey values in a sample of {len(tissue):,} voxels of tissue; expected at least "
            f"{MIN_LEVELS}: scale it from the original, as with ?window=0.5%:99.5%"
        )


def _ridge_ratio(sections: list[NDArray[Any]], flat: list[NDArray[np.bool_]]) -> float:
    """Return the strength of dark ridges (membranes) relative to that of bright ones, by the Hessian of each section.

    Strength is the mean cube of the larger curvature (Frangi et al. 1998, MICCAI, use its eigenvalues likewise).
    """
    dark, bright = 0.0, 0.0
    for block, area in zip(sections, flat, strict=True):
        image = np.nan_to_num(block.astype(np.float64))
        yy, yx, xx = (
            ndimage.gaussian_filter(image, (0, _SIGMA, _SIGMA), order=order)
            for order in ((0, 2, 0), (0, 1, 1), (0, 0, 2))
        )
        middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
        away = ~ndimage.maximum_filter(area, (1, _MARGIN, _MARGIN))
        dark += float((np.maximum(middle + half, 0)[away] ** 3).sum())
        bright += float((np.maximum(half - middle, 0)[away] ** 3).sum())
    return dark / bright if bright else 1.0
