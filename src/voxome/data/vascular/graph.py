"""Graph of the vessels of a volume: nodes, and the branches between them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.data.vascular.network import Lattice, vessels_in
from voxome.resources.rows import concatenate

NODE_COLUMNS = {
    "id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64", "degree": "int64", "on_face": "bool",
}  # fmt: skip
"""Columns of ``vessel_nodes.parquet`` and their dtypes."""
BRANCH_COLUMNS = {
    "id": "uint64", "source": "uint64", "target": "uint64", "length_nm": "float64", "radius_nm": "float64",
}  # fmt: skip
"""Columns of ``vessels.parquet``."""

Point = NDArray[np.float64]


@dataclass
class _Piece:
    """Part of a vessel inside the volume, between two nodes."""

    nodes: tuple[Hashable, Hashable]
    length: float
    radius_length: float


@dataclass
class _Pieces:
    places: dict[Hashable, tuple[Point, bool]] = field(default_factory=dict)
    pieces: list[_Piece] = field(default_factory=list)


def vessel_graph(lattice: Lattice, low_um: Point, high_um: Point) -> tuple[Rows, Rows]:
    """Return the nodes and the branches of the vessels whose centre lines are in a region.

    Nodes are branch points, blind ends and the points where centre lines leave through a face. The length of a branch
    is that of its centre line between the nodes; that of a blind one also has the radius of its end, so that it reaches
    the surface. Its radius is the mean along the line. A loop without any node gets one.

    Returns
    -------
    nodes, branches : Rows
        Columns `NODE_COLUMNS` and `BRANCH_COLUMNS`; nodes are sorted by z, y, x and numbered from 1, branches by their
        nodes.
    """
    found = _Pieces()
    vessels = vessels_in(lattice, low_um, high_um)
    for edge, end, line in zip(vessels.edges, vessels.ends, vessels.lines, strict=True):
        _clip(found, tuple(edge.tolist()), tuple(end.tolist()), line, low_um, high_um)
    branches = _join(found.pieces)
    kept = sorted({node for piece in branches for node in piece.nodes}, key=lambda node: tuple(found.places[node][0]))
    number = {node: n for n, node in enumerate(kept, 1)}
    degree = np.zeros(len(kept) + 1, np.int64)
    rows = []
    for piece in branches:
        source, target = sorted(number[node] for node in piece.nodes)
        degree[source] += 1
        degree[target] += 1
        rows.append((source, target, 1000.0 * piece.length, 1000.0 * piece.radius_length / piece.length))
    rows.sort()
    places = np.array([found.places[node][0] for node in kept]).reshape(-1, 3) * 1000.0
    nodes = {
        "id": np.arange(1, len(kept) + 1), "z_nm": places[:, 0], "y_nm": places[:, 1], "x_nm": places[:, 2],
        "degree": degree[1:], "on_face": np.array([found.places[node][1] for node in kept], bool),
    }  # fmt: skip
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    table = {"id": np.arange(1, len(rows) + 1), **dict(zip(list(BRANCH_COLUMNS)[1:], columns, strict=True))}
    return concatenate([nodes], NODE_COLUMNS), concatenate([table], BRANCH_COLUMNS)


def to_networkx(nodes: Rows, branches: Rows) -> nx.MultiGraph:
    """Return the graph of nodes and branches, with their columns as attributes; it may have parallel branches."""
    graph = nx.MultiGraph()
    for row in _python_rows(nodes):
        graph.add_node(row.pop("id"), **row)
    for row in _python_rows(branches):
        graph.add_edge(row.pop("source"), row.pop("target"), key=row.pop("id"), **row)
    return graph


def _python_rows(rows: Rows) -> Iterator[dict[str, object]]:
    for values in zip(*(column.tolist() for column in rows.values()), strict=True):
        yield dict(zip(rows, values, strict=True))


def _clip(
    found: _Pieces, edge: tuple[int, ...], end: tuple[int, ...], line: NDArray[np.float64], low: Point, high: Point
) -> None:
    """Add the parts of a vessel that are inside the region."""
    p, q = line[:-1, :3], line[1:, :3]
    enter, leave = _inside(p, q - p, low, high)
    lengths = np.linalg.norm(q - p, axis=1)
    runs = np.flatnonzero(enter < leave)
    for run in np.split(runs, np.flatnonzero((np.diff(runs) > 1) | (enter[runs[1:]] > 0)) + 1) if len(runs) else ():
        a, b = int(run[0]), int(run[-1])
        share = leave[run] - enter[run]
        radii = (line[run, 3] + line[run + 1, 3]) / 2.0
        length = float((lengths[run] * share).sum())
        piece = _Piece((edge[:3], end), length, float((lengths[run] * share * radii).sum()))
        first, last = p[a] + enter[a] * (q[a] - p[a]), p[b] + leave[b] * (q[b] - p[b])
        starts = edge[:3] if a == 0 and enter[a] == 0 else ("face", *edge, a)
        is_end = b == len(p) - 1 and leave[b] == 1
        stops: Hashable = ("face", *edge, b, "out")
        if is_end:
            stops = ("blind", *edge) if edge[4] else end
        if is_end and edge[4]:
            piece.length += float(line[-1, 3])
            piece.radius_length += float(line[-1, 3]) ** 2
        piece.nodes = (starts, stops)
        found.places[starts] = (first, starts[0] == "face")
        found.places[stops] = (last, not is_end)
        found.pieces.append(piece)


def _inside(p: Point, d: Point, low: Point, high: Point) -> tuple[Point, Point]:
    """Return the fractions of segments at which they enter and, if they do, leave a region (Liang & Barsky 1984)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - p) / d, (high - p) / d
    outside = (d == 0) & ((p < low) | (p >= high))
    still = d == 0
    near = np.where(still, np.where(outside, 2.0, 0.0), np.minimum(one, other))
    far = np.where(still, np.where(outside, -1.0, 1.0), np.maximum(one, other))
    return np.clip(near.max(axis=1), 0.0, 2.0), np.clip(far.min(axis=1), -1.0, 1.0)


def _join(pieces: list[_Piece]) -> list[_Piece]:
    """Join the pieces that meet where no third one does."""
    at: dict[Hashable, list[int]] = {}
    for n, piece in enumerate(pieces):
        for node in piece.nodes:
            at.setdefault(node, []).append(n)
    done = [False] * len(pieces)
    ends = [node for node, meeting in at.items() if len(meeting) != 2]
    branches = []
    for start in ends + [node for node, meeting in at.items() if len(meeting) == 2]:
        for n in at[start]:
            if not done[n]:
                branches.append(_follow(pieces, at, done, start, n))
    return branches


def _follow(pieces: list[_Piece], at: dict[Hashable, list[int]], done: list[bool], start: Hashable, n: int) -> _Piece:
    """Return the branch that begins at a node with a piece."""
    length = radius_length = 0.0
    node = start
    while True:
        piece = pieces[n]
        done[n] = True
        length += piece.length
        radius_length += piece.radius_length
        node = piece.nodes[1] if piece.nodes[0] == node else piece.nodes[0]
        onward = [m for m in at[node] if not done[m]]
        if len(at[node]) != 2 or node == start or not onward:
            return _Piece((start, node), length, radius_length)
        n = onward[0]
