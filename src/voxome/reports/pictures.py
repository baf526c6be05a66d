"""Arrays as images embedded in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from voxome.reports.colours import Colour, neuron_colour

MAX_SIDE = 1024
"""Longest side of an image in pixels; larger ones are subsampled."""
_PERCENT = (0.2, 99.8)
"""Grey values that are black and white: a few hot pixels would make all others black."""


def grey_picture(image: NDArray[Any]) -> str:
    """Return a (y, x) image as a PNG data URI; dtypes other than uint8 are scaled from nearly their range."""
    return _data_uri(grey_pixels(image))


def grey_pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a (y, x) image as grey values from 0 to 255, subsampled if it is larger than a picture.

    Values that are not finite are black.
    """
    pixels = _thin(image)
    if pixels.dtype != np.uint8:
        known = np.isfinite(pixels)
        values = pixels[known] if known.any() else np.zeros(1)
        low, high = np.percentile(values, _PERCENT)
        if low == high:  # of a few pixels that differ from all others
            low, high = float(values.min()), float(values.max())
        shares = np.clip((np.where(known, pixels, low) - low) / max(high - low, 1e-9), 0, 1)
        pixels = np.rint(255 * shares).astype(np.uint8)
    return pixels


def label_picture(
    labels: NDArray[Any], under: NDArray[Any] | None = None, colours: Mapping[int, Colour] | None = None
) -> str:
    """Return (y, x) labels in colour as a PNG data URI.

    Parameters
    ----------
    labels : (y, x) array of integers
        0 is background.
    under : (y, x) array of uint8, optional
        Image over which they are drawn.
    colours : mapping of int to (red, green, blue), optional
        Colours by id; those of `neuron_colour` for all others.
    """
    ids, index = np.unique(_thin(labels), return_inverse=True)
    given = colours or {}
    palette = np.array([given.get(int(i)) or neuron_colour(int(i)) for i in ids], np.float64)
    pixels = palette[index.reshape(_thin(labels).shape)]
    if under is not None:
        grey = _thin(under).astype(np.float64)[..., None]
        pixels = np.where(pixels.any(axis=-1, keepdims=True), 0.55 * pixels + 0.45 * grey, grey)
    return _data_uri(np.rint(pixels).astype(np.uint8))


def tinted_picture(image: NDArray[Any], mask: NDArray[np.bool_], colour: Colour) -> str:
    """Return a (y, x) image, with a colour over the pixels of a mask, as a PNG data URI."""
    grey = grey_pixels(image).astype(np.float64)[..., None]
    over = np.where(_thin(mask)[..., None], 0.55 * np.array(colour, np.float64) + 0.45 * grey, grey)
    return _data_uri(np.rint(np.broadcast_to(over, (*grey.shape[:2], 3))).astype(np.uint8))


def rgb_picture(pixels: NDArray[np.uint8]) -> str:
    """Return pixels (y, x, 3) as a PNG data URI."""
    return _data_uri(pixels)


def _thin(image: NDArray[Any]) -> NDArray[Any]:
    step = -(-max(image.shape) // MAX_SIDE)
    return image[::step, ::step]


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
