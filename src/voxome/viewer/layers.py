"""Layers of a view of Neuroglancer, as resources."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from voxome.calls import explain_calls
from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidInput, UnknownName, VoxomeError
from voxome.resources.open import Resource, open
from voxome.resources.volume import Volume
from voxome.viewer.addresses import parse_source
from voxome.viewer.inline import Axes, read_axes, read_inline
from voxome.viewer.state_text import State, read_state
from voxome.viewer.states import read_layers

_log = logging.getLogger(__name__)

_LOCAL = "local://"


class UnknownLayer(UnknownName, KeyError):
    """A view has no layer of this name."""

    def __str__(self) -> str:
        return str(self.args[0])


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
        UnknownLayer
            If the view has no such layer.
        UnsupportedFormat
            If the layer has no source that voxome reads.
        """
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    def __contains__(self, name: object) -> bool:
        return name in self._layers

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
        local = [one for one in self._sources(name) if one["url"].startswith(_LOCAL)]
        own = [axes for one in local if (axes := read_axes(_member(_member(one, "transform"), "outputDimensions")))]
        axes = own[0] if own else read_axes(self.state.get("dimensions"))
        entries = self._layer(name).get("annotations", [])
        if axes is None:
            raise InvalidInput(
                f"the view has no unit for the annotations of {name!r}; expected dimensions with x, y and z"
            )
        if not isinstance(entries, list):
            raise InvalidInput(f"the annotations of {name!r} are malformed; expected a list")
        return read_inline(entries, axes, name)

    @property
    def position_nm(self) -> tuple[float, float, float] | None:
        """Centre of the view (z, y, x) in nm in the frame of Neuroglancer; None if the state has none."""
        pose = _member(_member(_member(self.state, "navigation"), "pose"), "position")
        position = self.state.get("position", pose.get("voxelCoordinates"))
        axes = read_axes(self.state.get("dimensions")) or _older_axes(pose.get("voxelSize"))
        if position is None or axes is None:
            return None
        try:
            at = {axis: float(index) * nm for (axis, nm), index in zip(axes, position, strict=True)}
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"the position of the view is malformed: {error}; expected {len(axes)} numbers"
            ) from error
        return at["z"], at["y"], at["x"]

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
            raise UnknownLayer.of("layer", name, self._layers)
        return self._layers[name]

    def _sources(self, name: str) -> list[Mapping[str, Any]]:
        given = self._layer(name).get("source", [])
        entries = [
            {"url": one} if isinstance(one, str) else one for one in (given if isinstance(given, list) else [given])
        ]
        if not all(isinstance(one, Mapping) and isinstance(one.get("url"), str) for one in entries):
            raise InvalidInput(
                f"a source of the layer {name!r} is malformed; expected an address, or an object with url"
            )
        return entries


@explain_calls
def open_link(link: str | Mapping[str, Any]) -> Layers:
    """Return the layers of a link of Neuroglancer as volumes, meshes, skeletons and points.

    Volumes are in the coordinates of their stores, whatever transform the link has; a warning names those that it
    moves.

    Parameters
    ----------
    link : str or mapping
        ``https://HOST/#!{…}`` of any version of Neuroglancer, a link to a stored state (``#!gs://…``, ``?json_url=…``),
        the page of a relay (``https://HOST/view``) or a view that is shared there, the address of a JSON file, or the
        JSON state itself.

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
    """Return the layers by name."""
    named: dict[str, Mapping[str, Any]] = {}
    for one in read_layers(state):
        name, number = str(one["name"]), 0
        while (chosen := f"{name}{number or ''}") in named:  # as the viewer renames them
            number += 1
        named[chosen] = one
    return named


def _member(value: Any, name: str) -> Mapping[str, Any]:
    """Return an object inside an object; an empty one if there is none."""
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _older_axes(size: Any) -> Axes | None:
    """Return the axes of older states, from the voxel size in nm along x, y and z."""
    try:
        return None if size is None else [(axis, float(nm)) for axis, nm in zip("xyz", size, strict=True)]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the voxel size of the view is malformed: {error}; expected three numbers") from error


def _warn_if_moved(name: str, source: Mapping[str, Any]) -> None:
    given = _member(source, "transform").get("matrix")
    if given is None:
        return
    try:
        matrix = np.asarray(given, float)
        moved = not np.array_equal(matrix, np.eye(*matrix.shape))
    except (TypeError, ValueError):
        moved = True
    if moved:
        _log.warning("the link moves the layer %s; the volume has the coordinates of its store", name)
