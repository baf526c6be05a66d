"""How often every grey value occurs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec

HISTOGRAM = kinds.Table({"value": "int64", "voxels": "int64"}, key=("value",), fold={"voxels": "sum"})


def _faults(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    dtype = specs["image"].dtype
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        yield f"image is {dtype}: a histogram is taken of integers of 8 or 16 bits"


@tool("common.statistics", outputs=HISTOGRAM, check=_faults)
def statistics(image: Annotated[NDArray[Any], kinds.Image()]) -> Rows:
    """Count the voxels of every grey value, over the whole box.

    Parameters
    ----------
    image : (z, y, x) array
        Integers of 8 or 16 bits.

    Returns
    -------
    table
        ``value`` and ``voxels``, one row a value that occurs.
    """
    values, voxels = np.unique(image, return_counts=True)
    return {"value": values.astype(np.int64), "voxels": voxels.astype(np.int64)}


def percentile(histogram: Rows, percent: float) -> int:
    """The smallest grey value that at least `percent` of the voxels of a `HISTOGRAM` do not exceed."""
    reached = np.cumsum(histogram["voxels"])
    return int(histogram["value"][np.searchsorted(reached, reached[-1] * percent / 100)])


def moments(histogram: Rows) -> tuple[float, float]:
    """Mean and standard deviation of the grey values of a `HISTOGRAM`."""
    value, voxels = histogram["value"].astype(np.float64), histogram["voxels"]
    total = int(voxels.sum())
    mean = float((value * voxels).sum() / total)
    return mean, float(np.sqrt((voxels * (value - mean) ** 2).sum() / total))
