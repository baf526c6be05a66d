"""Meshes, skeletons and points together, in three dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.shapes import Annotations, Mesh, Skeleton
from voxome.errors import InvalidInput, describe_value
from voxome.plot.figures import interactive_figure, plotly_objects, scene_axes
from voxome.reports.colours import neuron_colour
from voxome.resources.shapes import Points

MAX_POINTS = 500_000
"""Annotations that are read of a collection; one with more is refused."""
_UM = 1e-3


@explain_calls
def scene(
    *,
    meshes: Mapping[int, Mesh] | None = None,
    skeletons: Mapping[int, Skeleton] | None = None,
    points: Mapping[str, Points | Annotations | ArrayLike] | None = None,
    opacity: float = 1.0,
    title: str | None = None,
) -> Any:
    """Draw neurons and what belongs to them as an interactive scene.

    Parameters
    ----------
    meshes, skeletons : mapping of int to Mesh, Skeleton
        By id of the neuron, as ``volume.meshes(ids)`` and ``volume.skeletons(ids)`` return them; a neuron has the same
        colour as in reports.
    points : mapping of str to Points, Annotations or (n, 3) array
        By name: annotations (lines are drawn as lines), all of a collection, at most 500,000, or positions z, y, x in
        nm.
    opacity : float
        Of the meshes, from 0 to 1.
    title : str, optional
        Title.

    Returns
    -------
    plotly.graph_objects.Figure
        Axes in µm; ``write_html("scene.html")`` writes one file that needs no network.

    Raises
    ------
    InvalidInput
        If there is nothing to draw, or a value is of another type.
    MissingExtra
        If plotly is not installed.
    """
    objects = plotly_objects()
    traces = [_mesh(objects, int(one), mesh, opacity) for one, mesh in _items("meshes", meshes)]
    traces += [_skeleton(objects, int(one), skeleton) for one, skeleton in _items("skeletons", skeletons)]
    traces += [_points(objects, name, given) for name, given in _items("points", points)]
    if not traces:
        raise InvalidInput("there is nothing to draw; give meshes, skeletons or points")
    return interactive_figure(traces, title, **scene_axes("µm"))


def _items(name: str, given: Any) -> Iterable[tuple[Any, Any]]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        example = '{"synapses": …}' if name == "points" else "{7: …}"
        raise InvalidInput(f"{name} is {describe_value(given)}; expected a mapping, such as {example}")
    return given.items()


def _mesh(objects: Any, neuron: int, mesh: Mesh, opacity: float) -> Any:
    if not isinstance(mesh, Mesh):
        raise InvalidInput(f"the mesh of {neuron} is {describe_value(mesh)}; expected a voxome.Mesh")
    z, y, x = mesh.vertices_nm.T * np.float32(_UM)
    i, j, k = mesh.faces.T
    return objects.Mesh3d(
        x=x, y=y, z=z, i=i, j=k, k=j, color=_colour(neuron), opacity=opacity, name=str(neuron), showlegend=True,
        hoverinfo="name", lighting={"ambient": 0.45, "diffuse": 0.7, "specular": 0.15},
    )  # fmt: skip


def _skeleton(objects: Any, neuron: int, skeleton: Skeleton) -> Any:
    if not isinstance(skeleton, Skeleton):
        raise InvalidInput(f"the skeleton of {neuron} is {describe_value(skeleton)}; expected a voxome.Skeleton")
    if not len(skeleton.edges):
        return _marks(objects, str(neuron), skeleton.nodes_nm, _colour(neuron))
    return _lines(objects, str(neuron), skeleton.nodes_nm[skeleton.edges], _colour(neuron))


def _points(objects: Any, name: str, given: Points | Annotations | ArrayLike) -> Any:
    if isinstance(given, Points):
        given = _all(name, given)
    if isinstance(given, Annotations):
        if given.shape == "line":
            return _lines(objects, name, given.positions_nm, None)
        return _marks(
            objects, name, given.positions_nm.mean(axis=1) if given.shape == "box" else given.positions_nm[:, 0], None
        )
    places = np.asarray(given, np.float64)
    if places.ndim != 2 or places.shape[1] != 3:
        raise InvalidInput(f"the points {name!r} are {describe_value(given)}; expected an array of shape (n, 3)")
    return _marks(objects, name, places, None)


def _all(name: str, points: Points) -> Annotations:
    """Return all annotations of a collection, which is refused if it has more than can be drawn."""
    parts: list[Annotations] = []
    for part in points.batches():
        parts.append(part)
        if sum(map(len, parts)) > MAX_POINTS:
            raise InvalidInput(
                f"the points {name!r} are more than {MAX_POINTS:,}; draw a part: points.within(start_nm, stop_nm)"
            )
    ids, places = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "positions_nm"))
    return Annotations(parts[0].shape, ids, places)


def _lines(objects: Any, name: str, ends_nm: NDArray[np.float64], colour: str | None) -> Any:
    """Return a trace with the line of each of n pairs of ends (n, 2, 3)."""
    gaps = np.full((len(ends_nm), 1, 3), np.nan)
    z, y, x = np.concatenate([ends_nm * _UM, gaps], axis=1).reshape(-1, 3).T
    return objects.Scatter3d(
        x=x, y=y, z=z, mode="lines", line={"color": colour, "width": 4}, name=name, hoverinfo="name"
    )


def _marks(objects: Any, name: str, places_nm: NDArray[np.float64], colour: str | None) -> Any:
    z, y, x = (places_nm * _UM).T
    return objects.Scatter3d(x=x, y=y, z=z, mode="markers", marker={"size": 3, "color": colour}, name=name)


def _colour(neuron: int) -> str:
    return f"rgb{neuron_colour(neuron)}"
