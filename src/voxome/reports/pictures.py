"""Arrays as images embedded in a page."""

from __future__ import annotations

import base64
import colorsys
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE = 1024
"""Longest side of an image in pixels; larger ones are subsampled."""


def neuron_colour(neuron_id: int) -> tuple[int, int, int]:
    """Return the colour (red, green, blue) of a neuron, the same everywhere; black for 0.

    Hue, saturation and lightness come from a hash: the finaliser of SplitMix64 (Steele, Lea & Flood 2014, fig. 16).
    """
    if neuron_id == 0:
        return 0, 0, 0
    mask = (1 << 64) - 1
    z = (neuron_id + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    z ^= z >> 31
    hue, light, strong = (z & 0xFFFF) / 65536, (z >> 16 & 0xFF) / 255, (z >> 24 & 0xFF) / 255
    red, green, blue = colorsys.hls_to_rgb(hue, 0.45 + 0.2 * light, 0.5 + 0.3 * strong)
    return round(255 * red), round(255 * green), round(255 * blue)


def grey_picture(image: NDArray[Any]) -> str:
    """Return a (y, x) image as a PNG data URI; dtypes other than uint8 are scaled from their range."""
    pixels = _thin(image)
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = np.rint(255 * (pixels - low) / max(high - low, 1e-9)).astype(np.uint8)
    return _data_uri(pixels)


def label_picture(labels: NDArray[Any], under: NDArray[Any] | None = None) -> str:
    """Return (y, x) labels in colour as a PNG data URI, drawn over the uint8 image `under` if there is one."""
    ids, index = np.unique(_thin(labels), return_inverse=True)
    colours = np.array([neuron_colour(int(i)) for i in ids], np.float64)
    pixels = colours[index.reshape(_thin(labels).shape)]
    if under is not None:
        grey = _thin(under).astype(np.float64)[..., None]
        pixels = np.where(pixels.any(axis=-1, keepdims=True), 0.55 * pixels + 0.45 * grey, grey)
    return _data_uri(np.rint(pixels).astype(np.uint8))


def _thin(image: NDArray[Any]) -> NDArray[Any]:
    step = -(-max(image.shape) // MAX_SIDE)
    return image[::step, ::step]


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
