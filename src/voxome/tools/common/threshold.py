"""Thresholding."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.python_tool import tool


@tool("common.threshold", outputs=kinds.Image("uint8"))
def threshold(image: Annotated[NDArray[Any], kinds.Image()], *, at: float = 0.5) -> NDArray[np.uint8]:
    """Mark voxels above a threshold.

    Parameters
    ----------
    image : (z, y, x) array
        Volume of any dtype.
    at : float
        Threshold; voxels above it are marked.

    Returns
    -------
    (z, y, x) array of uint8
        255 where ``image > at``, else 0.
    """
    return np.where(image > at, np.uint8(255), np.uint8(0))
