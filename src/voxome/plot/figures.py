"""Empty figures of matplotlib and plotly."""

from __future__ import annotations

from typing import Any

from voxome.extras import require

DPI = 120
_STYLE = {"template": "plotly_white", "margin": {"l": 20, "r": 20, "t": 40, "b": 20}}


def static_figure(width: float, height: float, *, projection: str | None = None) -> tuple[Any, Any]:
    """Return a figure of matplotlib, of this size in inches, and its axes; it belongs to no window.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    require("plots", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot(projection=projection)


def interactive_figure(traces: list[Any], title: str | None, **layout: Any) -> Any:
    """Return a figure of plotly."""
    return plotly_objects().Figure(traces, {**_STYLE, "title": {"text": title or ""}, **layout})


def plotly_objects() -> Any:
    """Return the module of plotly's traces and figures.

    Raises
    ------
    MissingExtra
        If plotly is not installed.
    """
    require("plots", "plotly")
    import plotly.graph_objects

    return plotly.graph_objects


def scene_axes(unit: str) -> dict[str, Any]:
    """Return a layout of plotly for positions: x to the right, y down, z into the page, as in the planes of a stack."""
    axes: dict[str, dict[str, Any]] = {f"{axis}axis": {"title": {"text": f"{axis}, {unit}"}} for axis in "xyz"}
    axes["yaxis"]["autorange"] = "reversed"
    camera = {"up": {"x": 0, "y": -1, "z": 0}, "eye": {"x": 0.8, "y": -0.8, "z": -2.0}}
    return {"scene": {**axes, "aspectmode": "data", "camera": camera}, "showlegend": True}
