"""The next level of a pyramid."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from numpy.typing import NDArray

from voxome.contracts import kinds
from voxome.contracts.tool import Block, tool
from voxome.geometry import Box
from voxome.resources.coarsening import coarsened


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
    others = (0,) * (image.ndim - 3)
    box = Box((*others, *block.read.start), (*image.shape[: len(others)], *block.read.stop))
    return coarsened(image, box, (*(1 for _ in others), 2, 2, 2), method)
