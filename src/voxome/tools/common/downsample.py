"""Downsampling by 2."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import Scale
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.coarsening import coarsened


def _factors(text: str) -> Scale:
    if not re.fullmatch("[12],[12],[12]", text):
        raise InvalidInput(f"Invalid factors {text!r}; expected Z,Y,X with 1 or 2 for each, such as 1,2,2")
    z, y, x = (int(n) for n in text.split(","))
    return z, y, x


@tool("common.downsample", outputs=kinds.Image(scale=lambda p: _factors(p["factors"])))
def downsample(
    image: Annotated[NDArray[Any], kinds.Image()],
    *,
    method: Literal["mean", "mode", "stride"] = "mean",
    factors: str = "2,2,2",
    block: BlockContext,
) -> NDArray[Any]:
    """Downsample a volume by 2 along all axes, or some of them.

    Voxel i of the result is computed from the voxels 2i and 2i + 1.

    Parameters
    ----------
    image : (z, y, x) or (c, z, y, x) array
        Volume of any dtype.
    method : {"mean", "mode", "stride"}
        Mean for intensities, mode (most frequent value) for labels, or every second voxel.
    factors : str
        Factors Z,Y,X: 2 to halve an axis, 1 to keep it.

    Returns
    -------
    array of the same dtype
        Downsampled volume; odd lengths are rounded up.
    """
    leading = (0,) * (image.ndim - 3)
    box = Box((*leading, *block.read.start), (*image.shape[: len(leading)], *block.read.stop))
    return coarsened(image, box, (*(1 for _ in leading), *_factors(factors)), method)
