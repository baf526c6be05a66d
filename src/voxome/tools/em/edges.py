"""Region adjacency graph of fragments."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.geometry import Box
from voxome.tools.em.kernels.affinity import NEAR
from voxome.tools.em.kernels.edges import BINS, edge_rows, node_rows

EDGE_SUMS = ("affinity", "pairs", *(f"bin{i}" for i in range(BINS)))
EDGES = kinds.Table(
    {"a": "uint64", "b": "uint64"} | dict.fromkeys(EDGE_SUMS, "int64"),
    key=("a", "b"),
    fold=dict.fromkeys(EDGE_SUMS, "sum"),
)
NODE_SUMS = ("voxels", "z", "y", "x", "rim")
NODES = kinds.Table(
    {"id": "uint64"} | dict.fromkeys(NODE_SUMS, "int64"), key=("id",), fold=dict.fromkeys(NODE_SUMS, "sum")
)


@tool("em.edges", halo=1, outputs={"edges": EDGES, "nodes": NODES}, memory=memory_of(235_000_000, 277))
def edges(
    fragments: Annotated[NDArray[np.uint64], kinds.Labels()],
    affinities: Annotated[NDArray[np.uint8], kinds.Probability(channels=len(NEAR))],
    *,
    block: BlockContext,
) -> dict[str, Rows]:
    """Sum affinities between neighbouring fragments, and measure the fragments.

    Parameters
    ----------
    fragments : (z, y, x) array of uint64
        Fragments; 0 is background.
    affinities : (c, z, y, x) array of uint8
        Affinities; the first three channels are those to the next voxel along z, y and x, and 255 is certain.

    Returns
    -------
    edges : table
        Pairs ``a < b``, the sum of their affinities, the number of voxel pairs, and their histogram in 8 bins. A pair
        counts by the area of the face between its voxels, relative to the smallest face and rounded.
    nodes : table
        ``id``, number of voxels, sums of z, y and x from the start of the domain, and voxels at the border of the box
        or beside background.
    """
    frame, write = block.frame, block.write
    visible = block.read & frame.box
    inside = np.ascontiguousarray(fragments[visible.within(block.read)])
    ahead = Box(write.start, visible.stop)
    z, y, x = write.shape
    graph = edge_rows(
        inside[ahead.within(visible)],
        affinities[(slice(0, len(NEAR)), *ahead.within(block.read))],
        NEAR,
        (z, y, x),
        histogram=True,
        weights=face_weights(frame.scale_nm),
    )
    nodes = node_rows(inside, write, frame.domain, frame.box, read=visible)
    sums = dict(zip(NODE_SUMS, nodes.values.T, strict=True))
    a, b = graph.ids.T
    return {
        "edges": {"a": a, "b": b, **dict(zip(EDGE_SUMS, graph.values.T, strict=True))},
        "nodes": {"id": nodes.ids, **sums},
    }


def face_weights(voxel_size_nm: tuple[float, float, float]) -> list[int]:
    """Return the areas of the faces of a voxel across z, y and x, relative to the smallest and rounded.

    Examples
    --------
    >>> face_weights((10, 10, 10)), face_weights((40, 10, 10))
    ([1, 1, 1], [1, 4, 4])
    """
    z, y, x = voxel_size_nm
    areas = (y * x, z * x, z * y)
    return [round(area / min(areas)) for area in areas]
