"""Downsampling by whole factors."""

from __future__ import annotations

import re
from typing import Annotated, Any

from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.downsampling import Method
from voxome.contracts.parameter import AllowInfNan
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import Scale
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.cells.methods import downsample_array


def parse_factors(text: str) -> Scale:
    """Return the factors (z, y, x) of a text such as ``1,2,2``."""
    if not re.fullmatch("[1-9][0-9]*(,[1-9][0-9]*){2}", text):
        raise InvalidInput(f"Invalid factors {text!r}; expected Z,Y,X, each at least 1, such as 1,2,2")
    z, y, x = (int(n) for n in text.split(","))
    return z, y, x


@tool(
    "common.downsample",
    outputs=kinds.Image(scale=lambda p: parse_factors(p["factors"]), at_first=lambda p: p["method"] == "stride"),
)
def downsample(
    image: Annotated[NDArray[Any], kinds.Image()],
    *,
    method: Method = "mean",
    factors: str = "2,2,2",
    no_data: Annotated[float, AllowInfNan()] | None = None,
    block: BlockContext,
) -> NDArray[Any]:
    """Downsample a volume by whole factors, by 2 along all axes unless others are given.

    Voxel i of the result is computed from the voxels from f·i up to f·(i + 1); the voxels of an integer mean are
    rounded half to even, and of equally frequent values the smallest is the mode.

    Parameters
    ----------
    image : (z, y, x) or (c, z, y, x) array
        Volume of any dtype.
    method : {"mean", "mode", "max", "min", "stride"}
        Mean for intensities, mode (most frequent value) for labels, largest, smallest, or first voxel.
    factors : str
        Factors Z,Y,X: 2 to halve an axis, 1 to keep it.
    no_data : float, optional
        Value that does not count unless a cell has nothing else; 0 lets the background of labels lose.

    Returns
    -------
    array of the same dtype
        Downsampled volume; odd lengths are rounded up.
    """
    leading = image.shape[:-3]
    box = Box((*(0 for _ in leading), *block.read.start), (*leading, *block.read.stop))
    return downsample_array(image, box, (*(1 for _ in leading), *parse_factors(factors)), method, no_data)
