"""The next level of a pyramid."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.contracts import kinds
from voxome.contracts.tool import tool


@tool("common.downsample", outputs=kinds.Image(scale=(2, 2, 2)))
def downsample(
    image: Annotated[NDArray[Any], kinds.Image()], *, method: Literal["mean", "mode", "stride"] = "mean"
) -> NDArray[Any]:
    """Halve a volume along z, y and x.

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
    return np.asarray(ts.downsample(ts.array(image), factors, method).read().result())
