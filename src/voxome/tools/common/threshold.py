"""Thresholding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.probability import threshold_problem
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterator[str]:
    if "image" in specs and (problem := threshold_problem("at", parameters["at"], "image", specs["image"])):
        yield problem


@tool("common.threshold", outputs=kinds.Image("uint8"), check=_problems)
def threshold(image: Annotated[NDArray[Any], kinds.Image()], *, at: float = 0.5) -> NDArray[np.uint8]:
    """Mark voxels above a threshold.

    Parameters
    ----------
    image : (z, y, x) array
        Volume of any dtype.
    at : float
        Threshold in the values of the volume; voxels above it are marked.

    Returns
    -------
    (z, y, x) array of uint8
        255 where ``image > at``, else 0.
    """
    return np.where(image > at, np.uint8(255), np.uint8(0))
