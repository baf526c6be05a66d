"""Nodes and branches of lines of voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.tools.common.vessels.tiles import CENTRE, OFFSETS

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Branch:
    """A line of voxels from one node to another, or to the same.

    Attributes
    ----------
    start, stop : int
        Its nodes.
    voxels : (n,) int64
        Its voxels as rows of the points, from one of the first node to one of the last; a closed line without other
        nodes begins and ends with the same voxel.
    """

    start: int
    stop: int
    voxels: Index


@dataclass(frozen=True)
class LineGraph:
    """Nodes and branches of lines of voxels.

    Attributes
    ----------
    nodes : list of (n,) int64
        The voxels of every node, as rows of the points: an end, a single voxel, all voxels of a junction that touch
        each other, or the first voxel of a closed line. Sorted by their first voxel.
    branches : list of Branch
        Sorted by their nodes and voxels.
    """

    nodes: list[Index]
    branches: list[Branch]

    def degrees(self) -> Index:
        """Return how many branches begin or end at every node; a loop counts twice."""
        ends = [end for branch in self.branches for end in (branch.start, branch.stop)]
        return np.bincount(np.array(ends, np.int64), minlength=len(self.nodes))


def line_graph(points: NDArray[np.int64]) -> LineGraph:
    """Return the graph of lines of voxels.

    Parameters
    ----------
    points : (n, 3) int64
        Voxels (z, y, x) in C order, thinned.
    """
    near = _neighbours(points)
    degree = np.array([len(others) for others in near], np.int64)
    nodes = [np.array([i]) for i in np.flatnonzero(degree < 2)] + _clusters(near, degree)
    node_of = np.full(len(points), -1, np.int64)
    for number, voxels in enumerate(nodes):
        node_of[voxels] = number
    lines = _open_lines(near, node_of)
    visited = np.zeros(len(points), bool)
    visited[node_of >= 0] = True
    for line in lines:
        visited[line] = True
    for first in np.flatnonzero(~visited).tolist():
        if not visited[first]:
            line = _closed_line(near, first)
            visited[line] = True
            node_of[first] = len(nodes)
            nodes.append(np.array([first]))
            lines.append(line)
    order = np.argsort([voxels[0] for voxels in nodes]) if nodes else np.zeros(0, np.int64)
    rank = np.argsort(order)
    branches = [_oriented(line, rank[node_of[[line[0], line[-1]]]]) for line in lines]
    branches.sort(key=lambda branch: (branch.start, branch.stop, branch.voxels.tolist()))
    return LineGraph([nodes[i] for i in order], branches)


def _oriented(line: list[int], ends: Index) -> Branch:
    """Return a line as a branch that begins at its first node, or with its smaller voxels."""
    start, stop = ends.tolist()
    backwards = line[::-1]
    if (stop, backwards) < (start, line):
        start, stop, line = stop, start, backwards
    return Branch(start, stop, np.array(line, np.int64))


def _neighbours(points: NDArray[np.int64]) -> list[list[int]]:
    """Return the rows of the 26-neighbours of every voxel."""
    near: list[list[int]] = [[] for _ in range(len(points))]
    if not len(points):
        return near
    low = points.min(axis=0) - 1
    extent = points.max(axis=0) - low + 2
    keys = np.ravel_multi_index(tuple((points - low).T), tuple(extent))
    for offset in OFFSETS[CENTRE + 1 :]:
        wanted = np.ravel_multi_index(tuple((points + offset - low).T), tuple(extent))
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = np.flatnonzero(keys[at] == wanted)
        for i, j in zip(found.tolist(), at[found].tolist(), strict=True):
            near[i].append(j)
            near[j].append(i)
    return [sorted(others) for others in near]


def _clusters(near: list[list[int]], degree: Index) -> list[Index]:
    """Return the junctions: voxels with more than two neighbours that touch each other."""
    junctions = np.flatnonzero(degree > 2)
    if not len(junctions):
        return []
    number = {voxel: i for i, voxel in enumerate(junctions.tolist())}
    pairs = [(i, number[other]) for voxel, i in number.items() for other in near[voxel] if other in number]
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(junctions),) * 2)
    count, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    return np.split(junctions[order], np.cumsum(np.bincount(label, minlength=count))[:-1])


def _open_lines(near: list[list[int]], node_of: Index) -> list[list[int]]:
    """Return the lines between nodes, each once."""
    lines = []
    for first in np.flatnonzero(node_of >= 0).tolist():
        for second in near[first]:
            if node_of[second] == node_of[first]:
                continue
            line = [first, second]
            while node_of[line[-1]] < 0:
                one, other = near[line[-1]]
                line.append(other if one == line[-2] else one)
            if line <= line[::-1]:
                lines.append(line)
    return lines


def _closed_line(near: list[list[int]], first: int) -> list[int]:
    line = [first, near[first][0]]
    while line[-1] != first:
        one, other = near[line[-1]]
        line.append(other if one == line[-2] else one)
    return line
