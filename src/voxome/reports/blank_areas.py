"""What is to be seen where a run found no data: padding, blank sections, or saturated voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxome.reports.cell_pictures import CellSlice
from voxome.tools.common.contrast.unusual import most_frequent

_MIN_SHARE = 0.01
"""Least share of the pixels of the slices that is worth a note."""
_MOST_PIXELS = 1 << 20
"""Pixels, evenly spaced, that are looked at."""


def blank_facts(planes: Sequence[CellSlice]) -> dict[str, str]:
    """Return the grey value that most pixels of the slices have where there are no data; empty without any.

    Parameters
    ----------
    planes : sequence of CellSlice
        Planes of the volume.
    """
    blank = [plane.raw[~plane.tissue] for plane in planes]
    count, total = sum(map(len, blank)), sum(plane.raw.size for plane in planes)
    if not count or count < _MIN_SHARE * total:
        return {}
    step = max(1, count // _MOST_PIXELS)
    value = most_frequent(np.concatenate([one[::step] for one in blank]))
    if not value:
        return {}
    advice = (
        ": areas of one grey value count as without data; use the original image, or a wider window"
        if "saturated" in value
        else ""
    )
    return {"grey value without data": f"{value}, in most such pixels of the slices{advice}"}
