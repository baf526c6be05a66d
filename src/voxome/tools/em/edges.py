"""Region adjacency graph of fragments."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
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


@tool("em.edges", halo=((0, 0, 0), (1, 1, 1)), outputs={"edges": EDGES, "nodes": NODES})
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
        Pairs ``a < b``, the sum of their affinities, the number of voxel pairs, and their histogram in 8 bins.
    nodes : table
        ``id``, number of voxels, sums of z, y and x from the start of the domain, and voxels at the border of the box.
    """
    frame = block.frame
    visible = (block.read & frame.box).within(block.read)
    shape = block.write.shape
    inside, near = fragments[visible], affinities[(slice(0, 3), *visible)]
    graph = edge_rows(inside, near, NEAR, (shape[0], shape[1], shape[2]), histogram=True)
    write = Box.of_shape(shape).within(Box.of_shape(inside.shape))
    nodes = node_rows(np.ascontiguousarray(inside[write]), block.write, frame.domain, frame.box)
    sums = dict(zip(NODE_SUMS, nodes.values.T, strict=True))
    a, b = graph.ids.T
    return {
        "edges": {"a": a, "b": b, **dict(zip(EDGE_SUMS, graph.values.T, strict=True))},
        "nodes": {"id": nodes.ids, **sums},
    }
