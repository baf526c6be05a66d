"""GraphML and SWC of a graph of vessels."""

from __future__ import annotations

from collections import deque

import networkx as nx
import numpy as np

from voxome.contracts.kinds import Rows
from voxome.tools.common.graphml import graphml_document

_NM_PER_UM = 1000
_UNDEFINED = 0
"""The type of a sample of SWC."""
_DECIMALS = 4
"""Of lengths in micrometres, wherever the volume is."""


def vessel_graphml(branches: Rows, nodes: Rows) -> bytes:
    """Return vessels as an undirected GraphML document; edges are called ``v1``, ``v2``, … by their id.

    One that is too large is left out (`graphml_document`).
    """
    return graphml_document(len(nodes["id"]) + len(branches["id"]), lambda: _graph(branches, nodes))


def _graph(branches: Rows, nodes: Rows) -> nx.MultiGraph:
    graph = nx.MultiGraph()
    for row in _dicts(nodes):
        graph.add_node(row.pop("id"), **row)
    for row in _dicts(branches):
        graph.add_edge(row.pop("source"), row.pop("target"), key=f"v{row.pop('id')}", **row)
    return graph


def vessel_swc(branches: Rows, nodes: Rows, points: Rows) -> bytes:
    """Return vessels as trees in the format SWC, in micrometres.

    Every object is a tree from its first node. A branch that would close a loop ends beside its last node, and a
    comment ``# cut`` names it with the sample of that node.
    """
    writer = _SwcWriter(branches, nodes, points)
    for node in range(len(nodes["id"])):
        if node not in writer.sample_of:
            writer.add_tree(node)
    header = ["# Vessels, in micrometres: sample, type, x, y, z, radius, parent", *writer.cuts]
    return "\n".join([*header, *writer.samples, ""]).encode()


class _SwcWriter:
    """The samples of all trees."""

    def __init__(self, branches: Rows, nodes: Rows, points: Rows) -> None:
        self.samples: list[str] = []
        self.cuts: list[str] = []
        self.sample_of: dict[int, int] = {}
        self._nodes = _samples(nodes)
        first = np.searchsorted(points["branch_id"], branches["id"])
        last = np.searchsorted(points["branch_id"], branches["id"], side="right")
        values = _samples(points)
        self._paths = [values[a:b] for a, b in zip(first, last, strict=True)]
        self._ids = branches["id"].tolist()
        nodes_of = np.stack([branches["source"], branches["target"]], axis=1).astype(np.int64) - 1
        self._ends: list[tuple[int, int]] = [(start, stop) for start, stop in nodes_of.tolist()]
        self._at: dict[int, list[int]] = {}
        for branch, ends in enumerate(self._ends):
            for node in sorted(set(ends)):
                self._at.setdefault(node, []).append(branch)

    def add_tree(self, root: int) -> None:
        """Add the samples of an object, its branches in breadth-first order."""
        self.sample_of[root] = self._add(self._nodes[root], -1)
        waiting, used = deque([root]), set()
        while waiting:
            node = waiting.popleft()
            for branch in self._at.get(node, ()):
                if branch in used:
                    continue
                used.add(branch)
                start, stop = self._ends[branch]
                path, other = (self._paths[branch], stop) if start == node else (self._paths[branch][::-1], start)
                parent = self.sample_of[node]
                for values in path[1:-1]:
                    parent = self._add(values, parent)
                if other in self.sample_of:
                    joined = self.sample_of[other]
                    self.cuts.append(f"# cut: branch {self._ids[branch]}, sample {parent} joins sample {joined}")
                else:
                    self.sample_of[other] = self._add(self._nodes[other], parent)
                    waiting.append(other)

    def _add(self, values: list[float], parent: int) -> int:
        number = len(self.samples) + 1
        x, y, z, radius = (f"{round(value, _DECIMALS):.15g}" for value in values)
        self.samples.append(f"{number} {_UNDEFINED} {x} {y} {z} {radius} {parent}")
        return number


def _samples(rows: Rows) -> list[list[float]]:
    """Return x, y, z and radius of every row, in micrometres."""
    columns = [rows[name] / _NM_PER_UM for name in ("x_nm", "y_nm", "z_nm", "radius_nm")]
    return np.stack(columns, axis=1).tolist()


def _dicts(rows: Rows) -> list[dict[str, object]]:
    names = list(rows)
    return [dict(zip(names, values, strict=True)) for values in zip(*(rows[n].tolist() for n in names), strict=True)]
