"""Layers of a view of Neuroglancer, as resources."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from voxome.calls import explain_calls
from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidInput, NotFound, VoxomeError
from voxome.geometry.units import nm_per
from voxome.resources.open import Resource, open
from voxome.resources.volume import Volume
from voxome.viewer.addresses import parse_source
from voxome.viewer.inline import read_inline
from voxome.viewer.state_text import State, read_state

_log = logging.getLogger(__name__)

_LOCAL = "local://"


class Layers(Mapping[str, Resource]):
    """The layers of a view by name, in their order; each is opened when it is first used.

    Attributes
    ----------
    state : dict
        The JSON state of the view.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._layers = _layers_of(state)
        self._opened: dict[str, Resource] = {}

    def __getitem__(self, name: str) -> Resource:
        """Open a layer: the first of its sources that is a volume, or else the first.

        Raises
        ------
        KeyError
            If the view has no such layer.
        UnsupportedFormat
            If the layer has no source that voxome reads.
        """
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return f"Layers({', '.join(self._layers)})"

    def uris(self, name: str) -> list[str]:
        """Return the URIs of the sources of a layer; those inside the link have none."""
        return [parse_source(one["url"]) for one in self._sources(name) if not one["url"].startswith(_LOCAL)]

    def segments(self, name: str) -> list[int]:
        """Return the ids that are selected in a layer."""
        ids = self._layer(name).get("segments", [])
        return [int(str(one).removeprefix("!")) for one in ids if not str(one).startswith("!")]

    def annotations(self, name: str) -> dict[str, Annotations]:
        """Return the annotations that a layer keeps inside the link, by shape (``point``, ``line``, ``box``, …)."""
        layer = self._layer(name)
        local = [one for one in self._sources(name) if one["url"].startswith(_LOCAL)]
        scales = _dimensions_of(local[0].get("transform", {}).get("outputDimensions") if local else None)
        return read_inline(layer.get("annotations", []), scales or self._scales(name), name)

    @property
    def position_nm(self) -> tuple[float, float, float] | None:
        """Centre of the view (z, y, x) in nm in the frame of Neuroglancer; None if the state has none."""
        pose = self.state.get("navigation", {}).get("pose", {}).get("position", {})
        position = self.state.get("position", pose.get("voxelCoordinates"))
        scales = _dimensions_of(self.state.get("dimensions")) or _sizes_of(pose.get("voxelSize"))
        if position is None or scales is None:
            return None
        x, y, z = (float(at) * scale for at, scale in zip(position, scales, strict=False))
        return z, y, x

    def _open(self, name: str) -> Resource:
        sources = [one for one in self._sources(name) if not one["url"].startswith(_LOCAL)]
        if not sources:
            raise InvalidInput(f"the layer {name!r} has no source outside the link; use annotations({name!r})")
        opened: list[Resource] = []
        problems: list[VoxomeError] = []
        for one in sources:
            try:
                opened.append(open(parse_source(one["url"])))
            except VoxomeError as error:
                problems.append(error)
                continue
            if isinstance(opened[-1], Volume):
                _warn_if_moved(name, one)
                return opened[-1]
        if not opened:
            raise problems[0]
        return opened[0]

    def _layer(self, name: str) -> Mapping[str, Any]:
        if name not in self._layers:
            raise NotFound(f"the view has no layer {name!r}; its layers: {', '.join(self._layers)}")
        return self._layers[name]

    def _sources(self, name: str) -> list[Mapping[str, Any]]:
        given = self._layer(name).get("source", [])
        entries = given if isinstance(given, list) else [given]
        return [{"url": one} if isinstance(one, str) else one for one in entries]

    def _scales(self, name: str) -> Sequence[float]:
        scales = _dimensions_of(self.state.get("dimensions"))
        if scales is None:
            raise InvalidInput(f"the view does not say the unit of the annotations of {name!r}; expected dimensions")
        return scales


@explain_calls
def open_link(link: str | Mapping[str, Any]) -> Layers:
    """Return the layers of a link of Neuroglancer as volumes, meshes, skeletons and points.

    Volumes are in the coordinates of their stores, whatever transform the link has; a warning names those that it
    moves.

    Parameters
    ----------
    link : str or mapping
        ``https://HOST/#!{…}`` of any version of Neuroglancer, a link to a stored state (``#!gs://…``, ``?json_url=…``),
        the address of a JSON file, or the JSON state itself.

    Returns
    -------
    Layers
        Name of a layer → resource, opened when it is first used.

    Raises
    ------
    InvalidInput
        If it is not a link of Neuroglancer.
    NotFound, AccessDenied, StoreError
        If the stored state cannot be read.

    Examples
    --------
    >>> layers = open_link('https://host/#!{"layers":[{"name":"em","source":"precomputed://gs://bucket/em"}]}')
    >>> list(layers), layers.uris("em")
    (['em'], ['precomputed://gs://bucket/em'])
    """
    return Layers(read_state(link))


def _layers_of(state: State) -> dict[str, Mapping[str, Any]]:
    """Return the layers by name; a list, or a mapping in older states."""
    layers = state.get("layers", [])
    if isinstance(layers, Mapping):
        layers = [
            {**(one if isinstance(one, Mapping) else {"source": one}), "name": name} for name, one in layers.items()
        ]
    if not isinstance(layers, list) or not all(isinstance(one, Mapping) and "name" in one for one in layers):
        raise InvalidInput("the layers of the state are malformed; expected a list of objects with a name")
    return {str(one["name"]): one for one in layers}


def _dimensions_of(dimensions: Any) -> tuple[float, float, float] | None:
    """Return the nm of a unit of x, y and z."""
    if not isinstance(dimensions, Mapping) or not {"x", "y", "z"} <= set(dimensions):
        return None
    scales = [float(dimensions[axis][0]) * (nm_per(dimensions[axis][1]) or np.nan) for axis in "xyz"]
    return (scales[0], scales[1], scales[2]) if np.isfinite(scales).all() else None


def _sizes_of(size: Any) -> tuple[float, float, float] | None:
    return None if size is None else (float(size[0]), float(size[1]), float(size[2]))


def _warn_if_moved(name: str, source: Mapping[str, Any]) -> None:
    matrix = source.get("transform", {}).get("matrix")
    if matrix is not None and not np.array_equal(np.asarray(matrix, float)[:, :-1], np.eye(len(matrix))):
        _log.warning("the link transforms the layer %s; the volume has the coordinates of its store", name)
    elif matrix is not None and np.asarray(matrix, float)[:, -1].any():
        _log.warning("the link moves the layer %s; the volume has the coordinates of its store", name)
