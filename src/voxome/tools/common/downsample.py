"""The next level of a pyramid."""

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
        raise InvalidInput(f"factors {text!r} are not three numbers Z,Y,X of 1 and 2, such as 1,2,2")
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
    """Halve a volume along z, y and x, or some of them: voxel i of the result is made of the voxels 2i and 2i + 1.

    Parameters
    ----------
    image : (z, y, x) or (c, z, y, x) array
        Any dtype.
    method : {"mean", "mode", "stride"}
        Mean for intensities, the most frequent id for labels, every second voxel.
    factors : str
        Z,Y,X: 2 for an axis that is halved, 1 for one that is kept.

    Returns
    -------
    array of the same dtype
        Half as long along the axes that are halved, rounded up.
    """
    others = (0,) * (image.ndim - 3)
    box = Box((*others, *block.read.start), (*image.shape[: len(others)], *block.read.stop))
    return coarsened(image, box, (*(1 for _ in others), *_factors(factors)), method)
