"""Connected components of a mask, block by block."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.tools.common.components import local_components, object_rows
from voxome.tools.common.faces import labels_at_faces

_SUMS = ("voxels", "z", "y", "x", "score")
SUMS = kinds.Table(
    {"id": "uint64", **dict.fromkeys(_SUMS, "int64"), "peak": "int64", "on_face": "int64"},
    key=("id",),
    fold={**dict.fromkeys(_SUMS, "sum"), "peak": "max", "on_face": "max"},
)
"""Voxels of components, sums of their indices from the start of the domain and of their scores, and largest score."""


@tool("common.components", outputs={"components": kinds.Labels(), "sums": SUMS}, memory=memory_of(231_000_000, 70))
def components(
    mask: Annotated[NDArray[Any], kinds.Image()],
    score: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    block: BlockContext,
) -> dict[str, Any]:
    """Label the components of a mask that are connected through faces, block by block.

    They are joined across blocks by ``common.touching`` and ``common.union``, selected and measured by
    ``common.objects``, and relabelled by ``common.relabel``.

    Parameters
    ----------
    mask : (z, y, x) array
        Mask of any dtype; what is not 0 (and not NaN) is foreground, also 1 of integers.
    score : (z, y, x) array of uint8, optional
        Map, such as a probability, whose mean is the score of an object.

    Returns
    -------
    components : (z, y, x) array of uint64
        Voxel id of the first voxel of each component of the block.
    sums : table
        Sums over the voxels of each component.
    """
    foreground = (mask != 0) & ~np.isnan(mask) if mask.dtype.kind == "f" else mask != 0
    domain = block.frame.domain
    labels = local_components(foreground, block.write, domain)
    values = np.full(labels.shape, 255, np.uint8) if score is None else score
    rows = object_rows(labels, values, block.write, domain)
    rows["on_face"] = np.isin(rows["id"], labels_at_faces(labels, block.write, block.frame.box)).astype(np.int64)
    return {"components": labels, "sums": rows}
