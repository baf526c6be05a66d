"""Agglomeration of fragments into neurons."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Interval

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.errors import InvalidInput
from voxome.geometry.units import min_voxels
from voxome.resources.table import TableFile
from voxome.tools.em.edges import EDGE_SUMS, EDGES, NODE_SUMS, NODES
from voxome.tools.em.kernels.agglomerate import agglomerate as group_fragments
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
    min_volume_um3: Annotated[float, Ge(0)] = 0.002,
    holes: bool = True,
    frame: Frame | None = None,
) -> dict[str, Rows]:
    """Agglomerate fragments (supervoxels) into neurons, numbered from 1 in the order of their first fragment.

    Parameters
    ----------
    edges : table
        Region adjacency graph: pairs of fragments and the sums of their affinities.
    nodes : table
        Fragments and their sizes.
    threshold : float
        Affinity from which two regions are merged, from 0 to 1.
    method : {"mean", "waterz", "mutex"}
        Agglomeration by mean affinity, by a quantile of the affinities (the histogram score of waterz; Funke et al.
        2019, IEEE TPAMI 41:1669), or by the mutex watershed on the region graph.
    quantile : float
        Quantile for ``waterz``, from a histogram of 8 bins.
    min_volume_um3 : float
        Minimum volume of a neuron, in cubic micrometres; smaller ones are merged into the neighbour with the highest
        affinity.
    holes : bool
        Fill holes: merge objects with a single neighbour, unless at the border of the box, into that neighbour.

    Returns
    -------
    lookup : table
        ``id`` of every fragment and ``label`` of its neuron.
    objects : table
        ``id`` of every neuron, its number of voxels and sums of coordinates.
    """
    ids = nodes.stacked(("id",))[:, 0]
    ends = edges.stacked(("a", "b"))
    scored = edges.stacked(EDGE_SUMS[2:], np.int32) if method == "waterz" else edges.stacked(EDGE_SUMS[:2])
    objects = group_fragments(ids, Edges(ends, scored), threshold, method, quantile)
    del scored
    pairs = Edges(ends, edges.stacked(EDGE_SUMS[:2]))
    sizes, contacts = contract(Nodes(ids, nodes.stacked(NODE_SUMS)), pairs, objects)
    del ends, pairs
    kept = sizes.ids
    if min_volume_um3:
        kept = absorb_small(sizes, contacts, kept, _min_voxels(min_volume_um3, frame))
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


def _min_voxels(volume_um3: float, frame: Frame | None) -> int:
    if frame is None:
        raise InvalidInput(
            f"min_volume_um3 is {volume_um3:g}, but the voxel size of these tables is unknown: give the handles of the "
            "step that wrote them, or set min_volume_um3 to 0"
        )
    return min_voxels(volume_um3, frame.scale_nm)
