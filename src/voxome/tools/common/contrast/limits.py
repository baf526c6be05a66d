"""Range of grey values of a volume, and its voxels with data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import UNKNOWN_VOXEL_SIZE, VolumeSpec
from voxome.errors import InvalidInput
from voxome.resources.table import TableFile
from voxome.tools.common.gaps import TISSUE
from voxome.tools.common.statistics import percentile

LOW_PERCENT, HIGH_PERCENT = 0.5, 99.5


def size_problems(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    """Yield that an input has no voxel size, which lengths in micrometres need."""
    if any(spec.voxel_size_nm is None for spec in specs.values()):
        yield UNKNOWN_VOXEL_SIZE


def grey_range(histogram: TableFile | None, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the range of grey values: as set, or else percentiles of the histogram of the volume.

    Raises
    ------
    InvalidInput
        If an end is not known, or the range is empty.
    """
    rows = None if histogram is None or (low is not None and high is not None) else histogram.read()
    if rows is not None and not len(rows["value"]):
        raise InvalidInput("The histogram is empty: the volume has no voxels with data; set low and high")
    if rows is not None:
        low = float(percentile(rows, LOW_PERCENT)) if low is None else low
        high = float(percentile(rows, HIGH_PERCENT)) if high is None else high
    if low is None or high is None:
        raise InvalidInput("The range of grey values is unknown; expected a histogram, or low and high")
    if not low < high:
        raise InvalidInput(
            f"The range of grey values is {low:g} to {high:g}; expected low < high. A constant volume has no contrast: "
            "set low and high"
        )
    return low, high


def known_voxels(image: NDArray[Any], tissue: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    """Return the voxels with data: tissue, without gaps that are bridged, and no NaN."""
    known = np.ones(image.shape, bool) if tissue is None else tissue == TISSUE
    if image.dtype.kind == "f":
        known &= ~np.isnan(image)
    return known
