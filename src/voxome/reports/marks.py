"""What is drawn over a picture: a scale bar, and synapses."""

from __future__ import annotations

import math
from html import escape

import numpy as np
from numpy.typing import NDArray

NEAR_NM = 100.0
"""Distance from a plane up to which synapses are drawn in it."""


def scale_bar(width_nm: float) -> str:
    """Return an HTML element with a bar of about a fifth of a picture, of 1, 2 or 5 times a power of ten.

    Parameters
    ----------
    width_nm : float
        Width of the picture.

    Examples
    --------
    >>> scale_bar(5120)
    '<b class="scale" style="width:19.53%">1 µm</b>'
    """
    length = bar_length_nm(width_nm)
    return f'<b class="scale" style="width:{100 * length / width_nm:.2f}%">{escape(length_text(length))}</b>'


def bar_length_nm(width_nm: float) -> float:
    """Return the length of a scale bar for a picture: of 1, 2 or 5 times a power of ten, nearest to a fifth of it."""
    length = 0.2 * width_nm
    power = 10.0 ** math.floor(math.log10(length))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda one: abs(math.log(one / length)))


def length_text(nm: float) -> str:
    """Return a length with a unit that suits it.

    Examples
    --------
    >>> length_text(500), length_text(25600), length_text(3.2e6)
    ('500 nm', '25.6 µm', '3.2 mm')
    """
    size, unit = (nm, "nm") if nm < 1e3 else (nm / 1e3, "µm") if nm < 1e6 else (nm / 1e6, "mm")
    return f"{size:.4g} {unit}"


def synapse_marks(places: NDArray[np.float64], shape: tuple[int, int]) -> str:
    """Return an SVG element with a ring for each synapse.

    Parameters
    ----------
    places : (n, 2) array
        y, x in pixels, from the corner of the picture.
    shape : (height, width)
        Size of the picture in pixels.
    """
    height, width = shape
    radius = max(height, width) / 64
    rings = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>' for y, x in places.tolist())
    return (
        f'<svg class="marks" viewBox="0 0 {width} {height}" preserveAspectRatio="none">{rings}</svg>' if rings else ""
    )
