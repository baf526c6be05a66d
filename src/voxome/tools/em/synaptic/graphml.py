"""GraphML export of a connectome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxome.contracts.kinds import Rows
from voxome.tools.common.graphml import graphml_document

if TYPE_CHECKING:
    import networkx as nx


def graphml(connectome: Rows, neurons: Rows) -> bytes:
    """Return a connectome as a GraphML document; one that is too large is left out (`graphml_document`).

    GraphML graphs are either directed or not. This one is directed; the edge attribute ``directed`` says whether the
    direction of an edge is known. Nodes have the ids of the neurons; edges are called ``e0``, ``e1``, … after the rows
    of `connectome`. Whole numbers are of the type ``long``.

    Parameters
    ----------
    connectome : Rows
        ``pre_id, post_id, directed, synapses, area_um2``.
    neurons : Rows
        ``id, z_nm, y_nm, x_nm, voxels``.
    """
    count = len(neurons["id"]) + len(connectome["pre_id"])
    return graphml_document(count, lambda: _graph(connectome, neurons))


def _graph(connectome: Rows, neurons: Rows) -> nx.MultiDiGraph:
    import networkx as nx

    graph = nx.MultiDiGraph()
    names = [name for name in neurons if name != "id"]
    for node, *values in zip(neurons["id"].tolist(), *(neurons[name].tolist() for name in names), strict=True):
        graph.add_node(node, **dict(zip(names, values, strict=True)))
    names = [name for name in connectome if name not in ("pre_id", "post_id")]
    ends = (connectome["pre_id"].tolist(), connectome["post_id"].tolist())
    rows = zip(*ends, *(connectome[name].tolist() for name in names), strict=True)
    for row, (pre, post, *values) in enumerate(rows):
        graph.add_edge(pre, post, key=f"e{row}", **dict(zip(names, values, strict=True)))
    return graph
