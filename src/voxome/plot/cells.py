"""Cells in three dimensions, coloured by their density."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_count, require_flags
from voxome.errors import InvalidInput, describe_value
from voxome.plot.figures import interactive_figure, plotly_objects, scene_axes, static_figure

_NM_PER_UM = 1e3
_UM3_PER_MM3 = 1e9


@explain_calls
def cells(
    positions_nm: ArrayLike,
    *,
    radii_nm: ArrayLike | None = None,
    neighbours: int = 10,
    title: str | None = None,
    interactive: bool = False,
) -> Any:
    """Draw cells, or other points, in three dimensions, in the colour of the density around them.

    The density at a cell is that of the ball up to its k-th neighbour: (k - 1) / volume of the ball (Silverman 1986,
    section 5.2, with k - 1 for an unbiased estimate). It is too low within this distance of the border of the tissue.

    Parameters
    ----------
    positions_nm : (n, 3) array
        z, y, x in nm.
    radii_nm : (n,) array, optional
        Radii, to which the marks are proportional.
    neighbours : int
        Number k of neighbours, at least 2. With at most k cells, all have one colour.
    title : str, optional
        Title.
    interactive : bool
        Whether to return a figure of plotly rather than of matplotlib.

    Returns
    -------
    matplotlib.figure.Figure or plotly.graph_objects.Figure
        Axes in µm.

    Raises
    ------
    InvalidInput
        If the positions have another shape, or there are none.
    MissingExtra
        If matplotlib or plotly is not installed.
    """
    require_flags(interactive=interactive)
    points = _positions(positions_nm) / _NM_PER_UM
    density = density_per_mm3(points, require_count("neighbours", neighbours, 2))
    sizes = _sizes(radii_nm, len(points))
    if interactive:
        bar = {"title": {"text": "cells / mm³"}}
        marker = {"size": sizes, "color": density, "colorscale": "Viridis", "colorbar": bar, "line": {"width": 0}}
        z, y, x = points.T
        trace = plotly_objects().Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, showlegend=False)
        return interactive_figure([trace], title or f"{len(points):,} cells", **scene_axes("µm"))
    figure, axes = static_figure(7, 6, projection="3d")
    drawn = axes.scatter(*points.T[::-1], c=density, s=sizes**2, cmap="viridis", linewidths=0, depthshade=False)
    figure.colorbar(drawn, label="cells / mm³", shrink=0.7)
    axes.set(xlabel="x, µm", ylabel="y, µm", zlabel="z, µm", title=title or f"{len(points):,} cells")
    axes.set_aspect("equal")
    axes.invert_yaxis()
    return figure


def density_per_mm3(points_um: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    """Return the density at each of some points, from the distance of its k-th neighbour.

    Parameters
    ----------
    points_um : (n, 3) array
        Positions in µm.
    neighbours : int
        Number k of neighbours.

    Returns
    -------
    (n,) array
        Points per mm³; NaN where k other points do not exist or are all at the same position.
    """
    if len(points_um) <= neighbours:
        return np.full(len(points_um), np.nan)
    reach = cKDTree(points_um).query(points_um, neighbours + 1)[0][:, -1]
    with np.errstate(divide="ignore"):
        density = (neighbours - 1) / (4 / 3 * math.pi * reach**3) * _UM3_PER_MM3
    return np.where(np.isfinite(density), density, np.nan)


def _positions(given: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(given, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points).all():
        raise InvalidInput(f"positions_nm is {describe_value(given)}; expected finite numbers of shape (n, 3), n > 0")
    return points


def _sizes(radii_nm: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """Return the diameters of the marks, 4 on average."""
    if radii_nm is None:
        return np.full(count, 4.0)
    radii = np.asarray(radii_nm, np.float64)
    if radii.shape != (count,) or not (radii > 0).all():
        raise InvalidInput(f"radii_nm is {describe_value(radii_nm)}; expected {count} positive numbers")
    return np.asarray(4.0 * radii / radii.mean())
