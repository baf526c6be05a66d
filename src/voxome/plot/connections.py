"""Connections of neurons, as a matrix or as a network."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_count, require_flags
from voxome.contracts.ragged import as_labels
from voxome.contracts.uri import Location, location_text
from voxome.errors import InvalidInput, UnknownName
from voxome.extras import require
from voxome.plot.figures import interactive_figure, plotly_objects, static_figure
from voxome.reports.colours import neuron_colour
from voxome.resources.columns import Table
from voxome.resources.table import TableFile

_STYLES = ("matrix", "network")


@explain_calls
def connections(
    table: Location | Mapping[str, ArrayLike] | Table,
    style: str = "matrix",
    *,
    weight: str = "synapses",
    most: int = 100,
    title: str | None = None,
    interactive: bool = False,
) -> Any:
    """Draw who is connected with whom.

    Parameters
    ----------
    table : str, path, Table or mapping of str to array
        Columns ``pre_id``, ``post_id`` and `weight`, as in ``connectome.parquet``; rows of the same pair are added.
    style : {"matrix", "network"}
        A matrix has a row for each presynaptic and a column for each postsynaptic neuron; a network has discs and
        lines, at the positions of Fruchterman & Reingold (1991).
    weight : str
        Column of the strengths.
    most : int
        Number of neurons that are drawn: those with the strongest connections together. The title says how many there
        are.
    title : str, optional
        Title.
    interactive : bool
        Whether to return a figure of plotly rather than of matplotlib.

    Returns
    -------
    matplotlib.figure.Figure or plotly.graph_objects.Figure

    Raises
    ------
    InvalidInput
        If a column is missing, or there is no connection.
    NotFound
        If there is no table at a path.
    UnknownName
        If the style is unknown.
    MissingExtra
        If matplotlib, plotly, or networkx for a network, is not installed.
    """
    require_flags(interactive=interactive)
    if style not in _STYLES:
        raise UnknownName.of("style", style, _STYLES)
    rows_of = TableFile(location_text(table)).read() if isinstance(table, str | os.PathLike) else table
    pre, post, strength = _columns(rows_of, weight)
    ids, chosen = _strongest(pre, post, strength, require_count("most", most))
    rows, columns = np.searchsorted(ids, pre[chosen]), np.searchsorted(ids, post[chosen])
    total = len(np.unique([pre, post]))
    shown = f"{len(ids):,} neurons" if len(ids) == total else f"{len(ids):,} of {total:,} neurons"
    draw = _DRAW[style, interactive]
    return draw(ids, rows, columns, strength[chosen], weight, title or shown)


def _columns(
    table: Mapping[str, ArrayLike] | Table, weight: str
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.float64]]:
    columns = table.columns if isinstance(table, Table) else tuple(table)
    missing = [name for name in ("pre_id", "post_id", weight) if name not in columns]
    if missing:
        raise InvalidInput(f"the table has no column {', '.join(missing)}; its columns: {', '.join(columns)}")
    pre, post = (as_labels(name, table[name]) for name in ("pre_id", "post_id"))
    strength = np.asarray(table[weight], np.float64)
    if not len(pre) == len(post) == len(strength) or not len(pre):
        raise InvalidInput(
            f"the columns have {len(pre)}, {len(post)} and {len(strength)} rows; expected equally many, > 0"
        )
    return pre, post, strength


def _strongest(
    pre: NDArray[np.uint64], post: NDArray[np.uint64], strength: NDArray[np.float64], most: int
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the sorted ids of the neurons with the strongest connections, and which rows join two of them."""
    ids, inverse = np.unique(np.concatenate([pre, post]), return_inverse=True)
    sums = np.bincount(inverse, np.concatenate([strength, strength]))
    kept = np.sort(ids[np.lexsort((ids, -sums))[:most]])
    return kept, np.isin(pre, kept) & np.isin(post, kept)


def _matrix(ids: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], strength: NDArray[Any]) -> NDArray[Any]:
    matrix = np.zeros((len(ids), len(ids)))
    np.add.at(matrix, (rows, columns), strength)
    return np.where(matrix > 0, matrix, np.nan)


def _draw_matrix(ids: Any, rows: Any, columns: Any, strength: Any, weight: str, title: str) -> Any:
    figure, axes = static_figure(7, 6)
    drawn = axes.imshow(_matrix(ids, rows, columns, strength), cmap="viridis", interpolation="nearest")
    figure.colorbar(drawn, label=weight, shrink=0.8)
    axes.set(xlabel="postsynaptic neuron", ylabel="presynaptic neuron", title=title)
    if len(ids) <= 40:
        axes.set_xticks(range(len(ids)), [str(one) for one in ids.tolist()], rotation=90, fontsize=7)
        axes.set_yticks(range(len(ids)), [str(one) for one in ids.tolist()], fontsize=7)
    return figure


def _draw_matrix_interactive(ids: Any, rows: Any, columns: Any, strength: Any, weight: str, title: str) -> Any:
    names = [str(one) for one in ids.tolist()]
    trace = plotly_objects().Heatmap(
        z=_matrix(ids, rows, columns, strength), x=names, y=names, colorscale="Viridis",
        colorbar={"title": {"text": weight}}, hovertemplate="%{y} → %{x}: %{z}<extra></extra>",
    )  # fmt: skip
    axis = {"type": "category"}
    return interactive_figure(
        [trace], title, xaxis={**axis, "title": {"text": "postsynaptic neuron"}},
        yaxis={**axis, "title": {"text": "presynaptic neuron"}, "autorange": "reversed"},
    )  # fmt: skip


def _layout(ids: Any, rows: Any, columns: Any, strength: Any) -> NDArray[np.float64]:
    require("em", "networkx")
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(len(ids)))
    for a, b, one in zip(rows.tolist(), columns.tolist(), strength.tolist(), strict=True):
        graph.add_edge(a, b, weight=1 + math.log1p(max(one, 0.0)))
    spread = networkx.spring_layout(graph, seed=1, k=2 / math.sqrt(len(graph)), iterations=100)
    return np.array([spread[node] for node in range(len(ids))])


def _draw_network(ids: Any, rows: Any, columns: Any, strength: Any, weight: str, title: str) -> Any:
    places = _layout(ids, rows, columns, strength)
    figure, axes = static_figure(7, 7)
    for a, b, width in zip(rows, columns, _widths(strength), strict=True):
        if a != b:
            arrow = {"arrowstyle": "-|>", "lw": width, "color": "0.55", "shrinkA": 6, "shrinkB": 6}
            axes.annotate("", places[b], places[a], arrowprops={**arrow, "connectionstyle": "arc3,rad=0.1"})
    axes.scatter(*places.T, s=90, c=_colours(ids), zorder=2)
    if len(ids) <= 60:
        for (x, y), one in zip(places, ids.tolist(), strict=True):
            axes.annotate(str(one), (x, y), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=7)
    axes.set(title=title)
    axes.set_axis_off()
    return figure


def _draw_network_interactive(ids: Any, rows: Any, columns: Any, strength: Any, weight: str, title: str) -> Any:
    places, objects = _layout(ids, rows, columns, strength), plotly_objects()
    arrow = {"xref": "x", "yref": "y", "axref": "x", "ayref": "y", "text": "", "showarrow": True}
    style = {"arrowhead": 2, "arrowcolor": "#999", "standoff": 7, "startstandoff": 7}
    arrows = [
        {**arrow, **style, "x": end[0], "y": end[1], "ax": start[0], "ay": start[1], "arrowwidth": width}
        for start, end, width in zip(places[rows].tolist(), places[columns].tolist(), _widths(strength), strict=True)
        if start != end
    ]
    degree = np.bincount(rows, strength, len(ids)) + np.bincount(columns, strength, len(ids))
    texts = [f"{one}: {total:g} {weight}" for one, total in zip(ids.tolist(), degree.tolist(), strict=True)]
    discs = objects.Scatter(
        x=places[:, 0], y=places[:, 1], mode="markers", text=texts, hoverinfo="text", showlegend=False,
        marker={"size": 12, "color": [f"rgb{neuron_colour(one)}" for one in ids.tolist()]},
    )  # fmt: skip
    hidden = {"visible": False}
    return interactive_figure([discs], title, annotations=arrows, xaxis=hidden, yaxis={**hidden, "scaleanchor": "x"})


def _widths(strength: NDArray[Any]) -> list[float]:
    """Return the widths of lines, in proportion to the strengths."""
    return (0.5 + 3 * strength / max(strength.max(initial=0.0), 1e-9)).tolist()


def _colours(ids: Any) -> list[tuple[float, ...]]:
    return [tuple(one / 255 for one in neuron_colour(neuron)) for neuron in ids.tolist()]


_DRAW = {
    ("matrix", False): _draw_matrix,
    ("matrix", True): _draw_matrix_interactive,
    ("network", False): _draw_network,
    ("network", True): _draw_network_interactive,
}
