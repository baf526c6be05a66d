"""Thresholding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterator[str]:
    spec = specs.get("image")
    if spec is not None and spec.kind == "probability" and spec.dtype.kind in "iu" and 0 < parameters["at"] < 1:
        certain = np.iinfo(spec.dtype).max
        yield (
            f"at is {parameters['at']:g}, but image is a probability of {spec.dtype}, of which {certain} is certain: "
            f"set at to {int(parameters['at'] * certain)} or so"
        )


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
