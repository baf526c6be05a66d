"""Distribution of the radii of cells."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT, _ROOM = 640.0, 190.0, 34.0
_MOST_BINS = 24


def radius_histogram(radii_um: NDArray[np.float64]) -> str:
    """Return a card with an SVG histogram of radii in µm; empty without any."""
    if not len(radii_um):
        return ""
    values = np.unique(radii_um)
    if len(values) <= _MOST_BINS:
        counts = np.array([(radii_um == value).sum() for value in values])
        names = [f"{value:.3g}" for value in values]
    else:
        counts, edges = np.histogram(radii_um, bins=_MOST_BINS)
        names = [f"{(a + b) / 2:.3g}" for a, b in itertools.pairwise(edges)]
    width = min(_WIDTH / len(counts), 80)
    left = (_WIDTH - width * len(counts)) / 2
    bars = "".join(
        f'<rect x="{left + i * width + 1:.1f}" y="{_HEIGHT - tall:.1f}" width="{width - 2:.1f}" height="{tall:.1f}"/>'
        f'<text x="{left + (i + 0.5) * width:.1f}" y="{_HEIGHT - tall - 4:.1f}">{count:,}</text>'
        f'<text x="{left + (i + 0.5) * width:.1f}" y="{_HEIGHT + 14:.0f}">{name}</text>'
        for i, (count, name) in enumerate(zip(counts.tolist(), names, strict=True))
        for tall in [count / counts.max() * (_HEIGHT - 16)]
    )
    return (
        f'<div class="card"><svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT + _ROOM:.0f}" role="img" '
        f'aria-label="Histogram of radii"><g class="bars">{bars}</g>'
        f'<text x="{_WIDTH / 2:.0f}" y="{_HEIGHT + 31:.0f}">radius, µm; numbers of cells above the bars</text>'
        "</svg></div>"
    )
