"""Which voxels are tissue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.parameter import AllowInfNan
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.tools.common.flatness import HALO, flat_areas
from voxome.tools.common.gaps import BRIDGED, LONGEST, NO_DATA, TISSUE, find_bridged

SECTIONS = kinds.Table(
    {"z": "int64", "voxels": "int64", "missing": "int64", "bridged": "int64"},
    key=("z",),
    fold={"voxels": "sum", "missing": "sum", "bridged": "sum"},
)

_ATTRIBUTES = ("no_data", "_FillValue")
"""Attributes of a volume that name the grey value without data; the second is of the CF conventions, section 2.5.1."""


def _no_data_of(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> dict[str, Any]:
    attributes = specs["image"].attributes if "image" in specs else {}
    values = (_number_of(attributes[name]) for name in _ATTRIBUTES if name in attributes)
    number = next((value for value in values if value is not None), None)
    return {} if number is None else {"no_data": number}


def _number_of(value: object) -> float | None:
    """Return a number, the only number of a list, or that of a text; None for what other programs write instead."""
    try:
        array = np.asarray(value)
        return float(array.item()) if array.dtype.kind in "iufU" else None
    except ValueError:
        return None


@tool(
    "common.tissue",
    halo=(LONGEST, HALO, HALO),
    defaults=_no_data_of,
    outputs={"tissue": kinds.Image("uint8"), "sections": SECTIONS},
)
def tissue(
    image: Annotated[NDArray[Any], kinds.Image()],
    mask: Annotated[NDArray[Any] | None, kinds.Mask()] = None,
    *,
    no_data: Annotated[float, AllowInfNan()] | None = None,
    detect: bool = True,
    block: BlockContext,
) -> dict[str, Any]:
    """Tell tissue from voxels without data: padding, blank sections, and what a mask leaves out.

    Parameters
    ----------
    image : (z, y, x) array
        Grey values; NaN is no data.
    mask : (z, y, x) array, optional
        0 or NaN where there are no data. It covers the whole image; if its voxels have another size, each voxel of the
        image has the value of the nearest.
    no_data : float
        Grey value that means no data; by default the attribute ``no_data`` or ``_FillValue`` of the image, if numeric.
    detect : bool
        Whether areas of a section that are constant, or nearly so in integers, have no data.

    Returns
    -------
    tissue : (z, y, x) array of uint8
        0 for no data, 1 for tissue, 2 for no data in a gap of one or two sections, which later steps interpolate.
    sections : table
        For every section ``z``: its voxels, and how many of them are missing for good and bridged.
    """
    missing = flat_areas(image) if detect else np.zeros(image.shape, bool)
    if image.dtype.kind == "f":
        missing |= np.isnan(image)
    if no_data is not None:
        missing |= image == no_data
    if mask is not None:
        missing |= (mask == 0) | np.isnan(mask)
    values = np.where(missing, NO_DATA, TISSUE).astype(np.uint8)
    values[find_bridged(missing)] = BRIDGED
    inner = values[block.write.within(block.read)]
    return {"tissue": inner, "sections": _count(inner, block.write.start[0])}


def _count(values: NDArray[np.uint8], first: int) -> Rows:
    counts = {name: (values == value).sum(axis=(1, 2)) for name, value in (("missing", NO_DATA), ("bridged", BRIDGED))}
    depth, voxels = len(values), values[0].size
    return {"z": np.arange(first, first + depth), "voxels": np.full(depth, voxels), **counts}
