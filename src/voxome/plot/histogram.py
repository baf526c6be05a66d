"""Histograms of sizes, lengths, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_count, require_flags
from voxome.errors import InvalidInput, describe_value
from voxome.plot.figures import interactive_figure, plotly_objects, static_figure

_MOST_TICKS = 8
"""Counts below which each has a tick, so that none is between them."""


@explain_calls
def histogram(
    values: ArrayLike, name: str, *, bins: int = 50, log: bool = False, title: str | None = None,
    interactive: bool = False,
) -> Any:  # fmt: skip
    """Draw a histogram.

    Parameters
    ----------
    values : (n,) array
        Numbers; NaN are left out, and counted in the label of the axis.
    name : str
        What they are, with the unit: ``volume, µm³``.
    bins : int
        Number of bins, equally wide, or equally wide in the logarithm.
    log : bool
        Whether the axis of values is logarithmic; then all must be positive.
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
        If there are no numbers, or one is not positive on a logarithmic axis.
    MissingExtra
        If matplotlib or plotly is not installed.
    """
    require_flags(log=log, interactive=interactive)
    numbers, missing = _numbers(values)
    if log and numbers.min() <= 0:
        raise InvalidInput(f"{numbers.min():g} has no place on a logarithmic axis; leave out log, or such values")
    low, high = numbers.min(), numbers.max()
    space = np.geomspace if log else np.linspace
    edges = space(low, high, require_count("bins", bins) + 1) if high > low else np.array([low, high + (high == low)])
    counts, _ = np.histogram(numbers, edges)
    label = name if not missing else f"{name} ({missing:,} without a value)"
    if interactive:
        bars = plotly_objects().Bar(x=(edges[1:] + edges[:-1]) / 2, y=counts, width=np.diff(edges), name=name)
        kind = "log" if log else "linear"
        whole = {"dtick": 1} if counts.max() < _MOST_TICKS else {}
        axes = {"xaxis": {"title": {"text": label}, "type": kind}, "yaxis": {"title": {"text": "count"}, **whole}}
        return interactive_figure([bars], title, bargap=0, **axes)
    figure, axes = static_figure(6, 4)
    axes.stairs(counts, edges, fill=True, color="#0f6e6e")
    axes.set(xlabel=label, ylabel="count", xscale="log" if log else "linear", title=title or "")
    axes.yaxis.get_major_locator().set_params(integer=True)
    return figure


def _numbers(values: ArrayLike) -> tuple[NDArray[np.float64], int]:
    """Return the numbers, and how many others there are."""
    try:
        numbers = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the values are {describe_value(values)}; expected numbers") from error
    valid = np.isfinite(numbers)
    if not valid.any():
        raise InvalidInput("there is no number to draw; expected at least one")
    return numbers[valid], int((~valid).sum())
