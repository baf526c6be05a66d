"""Sizes and sums of positions of cells, block by block."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.tools.common.components import object_rows
from voxome.tools.common.faces import labels_at_faces

_SUMS = ("voxels", "z", "y", "x", "score")
SUMS = kinds.Table(
    {"id": "uint64"} | dict.fromkeys((*_SUMS, "face"), "int64"),
    key=("id",),
    fold={**dict.fromkeys(_SUMS, "sum"), "face": "max"},
)


@tool("common.instance_sums", outputs=SUMS, memory=memory_of(160_000_000, 84))
def instance_sums(
    labels: Annotated[NDArray[np.uint64], kinds.Labels()],
    probability: Annotated[NDArray[np.uint8], kinds.Probability()],
    *,
    block: BlockContext,
) -> Rows:
    """Measure cells for ``common.instances``.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        Cells; 0 is background.
    probability : (z, y, x) array of uint8
        Probability of cells; 255 is certain.

    Returns
    -------
    table
        For each ``id``: number of voxels, sums of their positions from the start of the domain and of their
        probabilities, and ``face``, 1 if one is at a face of the box.
    """
    frame, write = block.frame, block.write
    rows = object_rows(labels, probability, write, frame.domain)
    face = np.isin(rows["id"], labels_at_faces(labels, write, frame.box)).astype(np.int64)
    return {"id": rows["id"], **{name: rows[name] for name in _SUMS}, "face": face}
