"""What is to be seen where a run found no data: padding, blank sections, or saturated voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxome.reports.cell_pictures import CellSlice
from voxome.tools.common.contrast.unusual import most_frequent

_MIN_SHARE = 0.01
"""Least share of the pixels of the slices that is worth a note."""


def blank_facts(planes: Sequence[CellSlice]) -> dict[str, str]:
    """Return the grey value that most pixels of the slices have where there are no data; empty without any.

    Parameters
    ----------
    planes : sequence of CellSlice
        Planes of the volume.
    """
    blank = np.concatenate([np.empty(0), *(plane.raw[~plane.tissue] for plane in planes)])
    total = sum(plane.raw.size for plane in planes)
    value = most_frequent(blank) if total and len(blank) >= _MIN_SHARE * total else ""
    if not value:
        return {}
    advice = (
        ": areas of one grey value count as without data; use the original image, or a wider window"
        if "saturated" in value
        else ""
    )
    return {"grey value without data": f"{value}, in most such pixels of the slices{advice}"}
