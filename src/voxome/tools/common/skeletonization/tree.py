"""The skeleton of an object from its pieces: TEASAR on the graph of their nodes.

Pieces have more branches than needed, and join to loops where an object crosses a corner of blocks. Their graph is
treated as TEASAR treats voxels: the cheapest paths from the farthest uncovered nodes to a root are the skeleton, a tree
for each connected part of the object. Rings of an object are opened by this rule, in the same way for any blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from voxome.tools.common.skeletonization.heap import OUT, SETTLED, pop, push
from voxome.tools.common.skeletonization.join import NodeGraph
from voxome.tools.common.skeletonization.parameters import Teasar


class Tree(NamedTuple):
    """The nodes of a skeleton.

    Attributes
    ----------
    nodes : (n,) int64
        Rows of a `NodeGraph`; each comes after its parent.
    parents : (n,) int64
        Row of `nodes` of the parent of each, -1 for roots.
    """

    nodes: NDArray[np.int64]
    parents: NDArray[np.int64]


def extract_tree(
    graph: NodeGraph,
    size_nm: Sequence[float],
    teasar: Teasar,
    root: int | None = None,
    targets: Sequence[int] = (),
    soma: int | None = None,
) -> Tree:
    """Return the skeleton of an object, one tree for each connected part of its graph.

    Parameters
    ----------
    graph : NodeGraph
        All nodes.
    size_nm : (z, y, x)
        Voxel size.
    teasar : Teasar
        Which branches stay.
    root : int, optional
        Node that is the root of its part. By default it is that of the soma, or else an end.
    targets : sequence of int
        Nodes that the tree contains in any case.
    soma : int, optional
        Node in the middle of a soma. Its radius is covered, and paths lead to it straight.
    """
    size = np.asarray(size_nm, np.float64)
    place = (graph.points + 0.5) * size
    count = len(place)
    _, part = connected_components(_adjacency(graph.edges, count), directed=False)
    nodes: list[NDArray[np.int64]] = []
    parents: list[NDArray[np.int64]] = []
    links = _Links.of(graph.edges, place, graph.depth_nm, size.min())
    total = 0
    order = np.argsort(part, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        chosen, above = _extract(members, links, place, graph.depth_nm, teasar, root, targets, soma)
        nodes.append(chosen)
        parents.append(np.where(above < 0, -1, above + total))
        total += len(chosen)
    return Tree(np.concatenate(nodes), np.concatenate(parents))


def _adjacency(edges: NDArray[np.int64], count: int) -> coo_array:
    return coo_array((np.ones(len(edges), np.uint8), (edges[:, 0], edges[:, 1])), shape=(count, count))


class _Links(NamedTuple):
    """Neighbours of each node: those of node k are ``ends[starts[k]:starts[k + 1]]``."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lengths: NDArray[np.float64]
    costs: NDArray[np.float64]

    @classmethod
    def of(
        cls, edges: NDArray[np.int64], place: NDArray[np.float64], depth: NDArray[np.float64], unit: float
    ) -> _Links:
        both = np.concatenate([edges, edges[:, ::-1]])
        both = both[np.lexsort((both[:, 1], both[:, 0]))]
        starts = np.searchsorted(both[:, 0], np.arange(len(place) + 1))
        lengths = np.linalg.norm(place[both[:, 0]] - place[both[:, 1]], axis=1)
        return cls(starts, both[:, 1].copy(), lengths, _costs(lengths, depth[both], unit))


def _costs(lengths: NDArray[np.float64], depth: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    """Return the integrals of ``(unit / depth)**4`` along links, at whose ends the depth (n, 2) is known.

    It is taken to change evenly. A link that leaves both balls around its ends, as one that cuts a corner does, costs
    more by the fourth power of how far it is longer than the radius of the larger one.
    """
    a, b = unit / depth.T
    beyond = np.maximum(lengths / depth.max(axis=1), 1.0)
    costs: NDArray[np.float64] = lengths / 3 * a * b * (a**2 + a * b + b**2) * beyond**4
    return costs


def _extract(
    members: NDArray[np.int64],
    links: _Links,
    place: NDArray[np.float64],
    depth: NDArray[np.float64],
    teasar: Teasar,
    given: int | None,
    targets: Sequence[int],
    soma: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return nodes and parents of the tree of one connected part."""
    inside = set(members.tolist())
    if soma not in inside:
        soma = None
    if given is not None and given in inside:
        root = given
    elif soma is not None:
        root = soma
    else:
        deepest = int(members[np.argmax(depth[members])])
        _, length, _ = _search(links.starts, links.ends, links.lengths, links.lengths, deepest)
        root = int(members[np.argmax(length[members])])
    above, length, cost = _search(links.starts, links.ends, links.costs, links.lengths, root)
    position, heap = np.full(len(place), OUT, np.int32), np.empty(len(place), np.int32)
    near = cKDTree(place[members])
    covered = np.zeros(len(place), np.bool_)
    row = np.full(len(place), -1, np.int64)
    nodes, parents = [root], [-1]
    row[root] = 0

    def cover(path: list[int]) -> None:
        radii = teasar.scale * depth[path] + teasar.const_nm
        if path == [soma]:
            radii = depth[path] + teasar.const_nm
        for found in near.query_ball_point(place[path], radii):
            covered[members[found]] = True

    def trace(end: int) -> None:
        path, node = [], end
        while row[node] < 0:
            path.append(node)
            node = int(above[node])
            if soma is not None and node != soma and row[soma] >= 0 and in_soma[node]:
                node = soma
        for new in reversed(path):
            row[new] = len(nodes)
            nodes.append(new)
            parents.append(int(row[node]))
            node = new
        if path:
            cover(path)
            _turn_to(np.array(path), links.starts, links.ends, links.costs, above, cost, position, heap)

    if soma is not None:
        in_soma = np.linalg.norm(place - place[soma], axis=1) < depth[soma]
        trace(soma)
        cover([soma])
    else:
        cover([root])
    farthest = members[np.argsort(-length[members], kind="stable")].tolist()
    if soma is None:
        trace(next((end for end in farthest if not covered[end]), farthest[0]))
    for target in targets:
        if target in inside:
            trace(target)
    for end in farthest:
        if not covered[end]:
            trace(end)
    return np.array(nodes), np.array(parents)


@numba.njit(cache=True, nogil=True)
def _search(
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    costs: NDArray[np.float64],
    lengths: NDArray[np.float64],
    root: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the next node on the cheapest path to `root`, and the length and cost of this path, of all nodes."""
    count = len(starts) - 1
    above = np.full(count, -1, np.int64)
    length = np.zeros(count, np.float64)
    cost = np.full(count, np.inf, np.float64)
    position = np.full(count, OUT, np.int32)
    heap = np.empty(count, np.int32)
    cost[root] = 0.0
    filled = push(heap, position, cost, root, 0)
    while filled:
        v = pop(heap, position, cost, filled)
        filled -= 1
        for k in range(starts[v], starts[v + 1]):
            u = ends[k]
            if position[u] == SETTLED:
                continue
            new = cost[v] + costs[k]
            if new < cost[u]:
                cost[u] = new
                above[u] = v
                length[u] = length[v] + lengths[k]
                filled = push(heap, position, cost, u, filled)
    return above, length, cost


@numba.njit(cache=True, nogil=True)
def _turn_to(
    path: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    costs: NDArray[np.float64],
    above: NDArray[np.int64],
    cost: NDArray[np.float64],
    position: NDArray[np.int32],
    heap: NDArray[np.int32],
) -> None:
    """Lead nodes to a new path of the tree if that is cheaper than to where they have led: a tree costs nothing.

    Otherwise, branches would run beside the tree to its root, where there are several paths through a neurite.
    """
    filled, first = 0, len(heap)
    for v in path:
        cost[v] = 0.0
        filled = push(heap, position, cost, v, filled)
    while filled:
        v = pop(heap, position, cost, filled)
        filled -= 1
        first -= 1
        heap[first] = v
        for k in range(starts[v], starts[v + 1]):
            u = ends[k]
            new = cost[v] + costs[k]
            if new < cost[u]:
                cost[u], above[u] = new, v
                filled = push(heap, position, cost, u, filled)
    for k in range(first, len(heap)):
        position[heap[k]] = OUT
