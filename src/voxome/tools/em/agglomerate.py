"""Neurons: fragments that belong together."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Interval

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.em.edges import EDGE_SUMS, EDGES, NODE_SUMS, NODES
from voxome.tools.em.kernels.agglomerate import agglomerate as group
from voxome.tools.em.kernels.edges import Edges, Nodes
from voxome.tools.em.kernels.filters import absorb_small, contract, fill_holes

Fraction = Annotated[float, Interval(ge=0, le=1)]
LOOKUP = kinds.Table({"id": "uint64", "label": "uint64"}, key=("id",), fold={"label": "min"})


def _memory(rows: int, _: object) -> int:
    return 200 * rows


@tool("em.agglomerate", scope="whole", outputs={"lookup": LOOKUP, "objects": NODES}, memory=_memory)
def agglomerate(
    edges: Annotated[TableFile, EDGES],
    nodes: Annotated[TableFile, NODES],
    *,
    threshold: Fraction = 0.42,
    method: Literal["mean", "waterz", "mutex"] = "waterz",
    quantile: Fraction = 0.7,
    min_voxels: Annotated[int, Ge(0)] = 2000,
    holes: bool = True,
) -> dict[str, Rows]:
    """Group fragments into neurons, numbered 1..N in the order of their first fragments.

    Parameters
    ----------
    edges : table
        Pairs of fragments with the sum of their affinities.
    nodes : table
        Sizes of fragments.
    threshold : float
        Affinity (0 to 1) from which two regions belong together.
    method : {"mean", "waterz", "mutex"}
        Agglomeration by mean affinity, or by a quantile of it (the histogram score of waterz; Funke et al. 2019, IEEE
        TPAMI 41:1669), or the mutex watershed on the region graph.
    quantile : float
        Which quantile, for ``waterz``: from a histogram of 8 bins.
    min_voxels : int
        Neurons smaller than this are merged into the neighbour they hold to best.
    holes : bool
        Merge what has a single neighbour, and no voxel at the rim, into that neighbour.

    Returns
    -------
    lookup : table
        ``id`` of a fragment and the ``label`` of its neuron.
    objects : table
        ``id`` of a neuron, its voxels and sums of coordinates.
    """
    ids = nodes.stacked(("id",))[:, 0]
    ends = edges.stacked(("a", "b"))
    scored = edges.stacked(EDGE_SUMS[2:], np.int32) if method == "waterz" else edges.stacked(EDGE_SUMS[:2])
    objects = group(ids, Edges(ends, scored), threshold, method, quantile)
    del scored
    pairs = Edges(ends, edges.stacked(EDGE_SUMS[:2]))
    sizes, contacts = contract(Nodes(ids, nodes.stacked(NODE_SUMS)), pairs, objects)
    del ends, pairs
    kept = sizes.ids
    if min_voxels:
        kept = absorb_small(sizes, contacts, kept, min_voxels)
    if holes:
        kept = fill_holes(sizes, contacts, kept)
    smallest, label = np.unique(kept, return_inverse=True)
    totals = np.zeros((len(smallest), len(NODE_SUMS)), np.int64)
    np.add.at(totals, label, sizes.values)
    return {
        "lookup": {"id": ids, "label": label[np.searchsorted(sizes.ids, objects)].astype(np.uint64) + np.uint64(1)},
        "objects": {
            "id": np.arange(1, len(smallest) + 1, dtype=np.uint64),
            **dict(zip(NODE_SUMS, totals.T, strict=True)),
        },
    }
