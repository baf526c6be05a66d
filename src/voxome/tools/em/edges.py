"""Which fragments touch, and how strongly they belong together."""

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
    """Add up the affinities of neighbouring voxels for every pair of fragments, and the sizes of fragments.

    Parameters
    ----------
    fragments : (z, y, x) array of uint64
        0 is background.
    affinities : (c, z, y, x) array of uint8
        The first three channels at p are those of p and its next voxel along z, y and x; 255 = surely one neuron.

    Returns
    -------
    edges : table
        ``a < b``, the sum of their affinities, the number of voxel pairs, and how many lie in each eighth of 0-255.
    nodes : table
        ``id``, voxels, sums of z, y and x from the domain's start, and voxels at the rim of the box.
    """
    frame = block.frame
    seen = (block.read & frame.box).within(block.read)
    shape = block.write.shape
    inside, near = fragments[seen], affinities[(slice(0, 3), *seen)]
    found = edge_rows(inside, near, NEAR, (shape[0], shape[1], shape[2]), histogram=True)
    own = Box.of_shape(shape).within(Box.of_shape(inside.shape))
    nodes = node_rows(np.ascontiguousarray(inside[own]), block.write, frame.domain, frame.box)
    sums = dict(zip(NODE_SUMS, nodes.values.T, strict=True))
    a, b = found.ids.T
    return {
        "edges": {"a": a, "b": b, **dict(zip(EDGE_SUMS, found.values.T, strict=True))},
        "nodes": {"id": nodes.ids, **sums},
    }
