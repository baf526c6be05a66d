"""Faults in the contrast of an electron micrograph, seen in a sample of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.tools.common.contrast.unusual import grey_warnings, sample_sections
from voxome.tools.common.flatness import flat_areas

MIN_RIDGES = 0.9
"""Minimum ratio of dark to bright ridges; 1.27 to 1.72 in FIB-SEM, ssTEM and phantoms, the inverse if inverted."""
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
    sections = sample_sections(blocks)
    flat = [flat_areas(section) for section in sections]
    yield from grey_warnings(sections, flat)
    if sections and all(area.all() for area in flat):
        return
    if _ridge_ratio(sections, flat) < MIN_RIDGES:
        yield (
            "seems inverted, with bright membranes, but dark ones are expected: add ?window=255:0 to its URI (with its "
            "own highest and lowest value)"
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
