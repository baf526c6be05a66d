"""Colours of screenshots."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.int64]


def share_of(png: bytes, test: Callable[[Pixels, Pixels, Pixels], NDArray[np.bool_]]) -> float:
    """Return the share of pixels whose red, green and blue pass a test."""
    rgb = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int64)
    return float(np.mean(test(rgb[..., 0], rgb[..., 1], rgb[..., 2])))
