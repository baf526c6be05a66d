"""Histogram of grey values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.tools.common.gaps import TISSUE

HISTOGRAM = kinds.Table({"value": "int64", "voxels": "int64"}, key=("value",), fold={"voxels": "sum"})


def _problems(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    dtype = specs["image"].dtype
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        labels = specs["image"].kind == "labels"
        advice = "these are labels, not grey values" if labels else "add ?window=0.5%:99.5% to its URI"
        yield f"image is {dtype}; a histogram needs 8- or 16-bit integers: {advice}"


@tool("common.statistics", outputs=HISTOGRAM, check=_problems)
def statistics(
    image: Annotated[NDArray[Any], kinds.Image()],
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
) -> Rows:
    """Compute the histogram of grey values over the box.

    Parameters
    ----------
    image : (z, y, x) array
        8- or 16-bit integers.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``; only tissue is counted.

    Returns
    -------
    table
        ``value`` and ``voxels``, one row for every value that occurs.
    """
    counted = image if tissue is None else image[tissue == TISSUE]
    values, voxels = np.unique(counted, return_counts=True)
    return {"value": values.astype(np.int64), "voxels": voxels.astype(np.int64)}


def percentile(histogram: Rows, percent: float) -> int:
    """Return the smallest grey value that at least `percent` of the voxels do not exceed."""
    cumulative = np.cumsum(histogram["voxels"])
    return int(histogram["value"][np.searchsorted(cumulative, cumulative[-1] * percent / 100)])


def moments(histogram: Rows) -> tuple[float, float]:
    """Return the mean and standard deviation of the grey values."""
    value, voxels = histogram["value"].astype(np.float64), histogram["voxels"]
    total = int(voxels.sum())
    mean = float((value * voxels).sum() / total)
    return mean, float(np.sqrt((voxels * (value - mean) ** 2).sum() / total))
