"""Drawing of the connectome."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import networkx as nx

from voxome.reports.colours import Colour, neuron_colour
from voxome.reports.data import Edge

MAX_EDGES = 90
"""Number of connections that are drawn, strongest first."""
_SIDE = 640.0
_MARGIN = 34.0


def strongest(edges: Sequence[Edge], count: int) -> list[Edge]:
    """Return the `count` edges with the most synapses; ties go to the largest area, then to the smallest ids."""
    return sorted(edges, key=lambda e: (-e.synapses, -e.area_um2, e.pre_id, e.post_id))[:count]


def graph_drawing(edges: Sequence[Edge], colours: Mapping[int, Colour] | None = None) -> str:
    """Return an SVG element: neurons as discs in the colours of the slices, connections as arrows or lines.

    Undirected connections are lines. The layout is the force-directed one of Fruchterman & Reingold (1991), as
    implemented in networkx.
    """
    drawn = strongest(edges, MAX_EDGES)
    positions = _layout(drawn)
    ends = Counter(i for e in drawn for i in (e.pre_id, e.post_id))
    most = max((e.synapses for e in drawn), default=1)
    radius = {i: 6 + 2.2 * math.sqrt(ends[i]) for i in positions}
    lines = [_line(e, positions, radius[e.post_id], most) for e in drawn if e.pre_id != e.post_id]
    given = colours or {}
    discs = [_disc(i, *positions[i], radius[i], given.get(i) or neuron_colour(i)) for i in positions]
    return (
        f'<svg viewBox="0 0 {_SIDE:.0f} {_SIDE:.0f}" role="img" aria-label="Graph of the strongest connections">'
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 1 10 5 0 9z"/></marker></defs>'
        f"{''.join(lines)}{''.join(discs)}</svg>"
    )


def _layout(edges: Sequence[Edge]) -> dict[int, tuple[float, float]]:
    graph = nx.Graph()
    for e in edges:
        graph.add_edge(e.pre_id, e.post_id, weight=1 + math.log(e.synapses))
    if not len(graph):
        return {}
    spread = nx.spring_layout(graph, seed=1, k=2.2 / math.sqrt(len(graph)), iterations=150)
    columns = [_spread_out([p[axis] for p in spread.values()]) for axis in range(2)]
    return dict(zip(spread, zip(*columns, strict=True), strict=True))


def _spread_out(values: Sequence[float]) -> list[float]:
    """Return positions on the drawing: half by value, half by rank, so that hubs do not crowd their neighbours."""
    low, extent = min(values), max(values) - min(values)
    ranks = {i: rank for rank, i in enumerate(sorted(range(len(values)), key=lambda i: values[i]))}
    room, last = _SIDE - 2 * _MARGIN, max(len(values) - 1, 1)
    return [
        _MARGIN + room * (0.5 * (v - low) / extent + 0.5 * ranks[i] / last if extent > 0 else 0.5)
        for i, v in enumerate(values)
    ]


def _line(edge: Edge, positions: dict[int, tuple[float, float]], stop: float, most: int) -> str:
    (x0, y0), (x1, y1) = positions[edge.pre_id], positions[edge.post_id]
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    short = max(0.0, 1 - (stop + 2) / length)
    x1, y1 = x0 + (x1 - x0) * short, y0 + (y1 - y0) * short
    bend = 0.12
    cx, cy = (x0 + x1) / 2 - bend * (y1 - y0), (y0 + y1) / 2 + bend * (x1 - x0)
    width = 0.9 + 3.6 * (edge.synapses - 1) / max(most - 1, 1)
    head = ' marker-end="url(#arrow)"' if edge.directed else ""
    arrow = "→" if edge.directed else "–"
    title = f"{edge.pre_id} {arrow} {edge.post_id}: {edge.synapses} synapses, {edge.area_um2:.3f} µm²"
    return (
        f'<path class="edge" d="M{x0:.1f} {y0:.1f}Q{cx:.1f} {cy:.1f} {x1:.1f} {y1:.1f}" '
        f'stroke-width="{width:.2f}"{head}><title>{title}</title></path>'
    )


def _disc(neuron: int, x: float, y: float, radius: float, colour: Colour) -> str:
    red, green, blue = colour
    return (
        f'<g><circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="rgb({red} {green} {blue})">'
        f'<title>neuron {neuron}</title></circle><text x="{x:.1f}" y="{y - radius - 3:.1f}">{neuron}</text></g>'
    )
