"""The next level of a pyramid."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.contracts import kinds
from voxome.contracts.tool import Block, tool


@tool("common.downsample", outputs=kinds.Image(scale=(2, 2, 2)))
def downsample(
    image: Annotated[NDArray[Any], kinds.Image()],
    *,
    method: Literal["mean", "mode", "stride"] = "mean",
    block: Block,
) -> NDArray[Any]:
    """Halve a volume along z, y and x: voxel i of the result is made of the voxels 2i and 2i + 1.

    Parameters
    ----------
    image : (z, y, x) or (c, z, y, x) array
        Any dtype.
    method : {"mean", "mode", "stride"}
        Mean for intensities, the most frequent id for labels, every second voxel.

    Returns
    -------
    array of the same dtype
        Half as long along z, y and x, rounded up.
    """
    factors = [1] * (image.ndim - 3) + [2, 2, 2]
    start = [0] * (image.ndim - 3) + list(block.read.start)
    placed = ts.array(image)[ts.d[:].translate_to[start]]
    return np.asarray(ts.downsample(placed, factors, method).read().result())
