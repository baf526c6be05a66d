"""Density maps as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import voxome.resources.open as volumes
from voxome.reports.pictures import rgb_picture
from voxome.resources.volume import Volume

_STOPS = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float64)
"""Five colours of viridis (van der Walt & Smith 2015)."""
_EMPTY = (128, 128, 128)
_PIXELS = 480


def density_section(uri: str) -> str:
    """Return HTML with the mean of a density map along each axis, and its colours; empty without any tissue."""
    values = np.asarray(volumes.open(uri, expect=Volume)[...], np.float64)
    known = np.isfinite(values)
    if not known.any():
        return ""
    planes = {axis: _mean(values, known, number) for number, axis in enumerate("zyx")}
    low, high = float(values[known].min()), float(values[known].max())
    images = "".join(
        f'<div><span>mean along {axis}</span><div><img src="{rgb_picture(_enlarge(_colours(plane, low, high)))}" '
        f'alt="Density, mean along {axis}"></div></div>'
        for axis, plane in planes.items()
    )
    bar = rgb_picture(np.repeat(_colours(np.linspace(0, 1, 256)[None], 0, 1), 12, axis=0))
    note = f"From {low:,.0f} to {high:,.0f} cells per mm³ of tissue; grey is no tissue."
    return (
        f'<div class="slices"><figure><div class="row">{images}</div><img class="bar" src="{bar}" alt="Colours">'
        f"<figcaption>{note}</figcaption></figure></div>"
    )


def _mean(values: NDArray[np.float64], known: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _colours(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """Return the colours (y, x, 3) of values (y, x)."""
    known = np.isfinite(values)
    share = np.where(known, (values - low) / max(high - low, 1e-12), 0)
    at = np.linspace(0, 1, len(_STOPS))
    pixels = np.stack([np.interp(share, at, _STOPS[:, one]) for one in range(3)], axis=-1)
    return np.rint(np.where(known[..., None], pixels, _EMPTY)).astype(np.uint8)


def _enlarge(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    times = max(1, _PIXELS // max(pixels.shape[:2]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)
