"""States of Neuroglancer, built of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.viewer.state_text import State

LayerType = Literal["image", "segmentation", "annotation"]

_M_PER_NM = 1e-9
_PANEL_PIXELS = 300
"""Pixels of a panel of a small window."""
_AROUND = 1.8
"""Height of the 3D view, in longest edges of what is shown."""
_DRAWN = ("#ff5a5f", "#3fb8af", "#ffd23f", "#a56eff", "#5ad15a", "#ff9f40")
"""Colours of layers that are drawn in, one after the other."""
"""Colour of annotations that are drawn, unlike that of stored ones."""
_FROM_ASIDE = (0.21, -0.25, 0.06, 0.94)
"""Orientation of the 3D view, as a quaternion: along no axis, so that depth is seen."""
_MEMBERS = frozenset({
    "crossSectionScale", "dimensions", "layers", "layout", "navigation", "position", "projectionScale", "selectedLayer",
    "showSlices", "title",
})  # fmt: skip
"""Members of states, of which each has one, unless it is empty."""
_IN_STATE = {
    "url": "local://annotations",
    "transform": {"outputDimensions": {axis: [_M_PER_NM, "m"] for axis in "xyz"}},
}


@dataclass(frozen=True)
class Layer:
    """A layer of a view.

    Attributes
    ----------
    name : str
        Unique in the view.
    type : {"image", "segmentation", "annotation"}
        What it shows.
    source : str
        Data source of Neuroglancer.
    segments : tuple of int
        Ids that are selected.
    colours : mapping of int to (red, green, blue)
        Colours of segments, of 255.
    visible : bool
        Whether it is shown at first.
    linked : mapping of str to str
        Relation of annotations → name of the segmentation to which its ids belong.
    annotations : sequence of mapping, optional
        Annotations inside the state, with positions in nm; then there is no source.
    columns : tuple of str
        Properties that the list of segments has, the largest of the first on top.
    number : int
        Number among the layers that are drawn in, which have different colours.
    """

    name: str
    type: LayerType
    source: str
    segments: tuple[int, ...] = ()
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    visible: bool = True
    linked: Mapping[str, str] = field(default_factory=dict)
    annotations: Sequence[Mapping[str, Any]] | None = None
    columns: tuple[str, ...] = ()
    number: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the layer as it is in a state: ids as text, which keeps all of their bits."""
        layer: dict[str, Any] = {"type": self.type, "name": self.name, "source": self.source}
        if self.annotations is not None:
            layer |= {"source": _IN_STATE, "annotations": list(self.annotations)}
            colour = _DRAWN[self.number % len(_DRAWN)]
            layer |= {"tool": "annotatePoint", "tab": "annotations", "annotationColor": colour}
        if self.segments:
            layer["segments"] = [str(one) for one in self.segments]
        if self.columns:
            layer["segmentQuery"] = " ".join([f">{self.columns[0]}", *(f"|{one}" for one in self.columns)])
        if self.colours:
            layer["segmentColors"] = {str(one): "#{:02x}{:02x}{:02x}".format(*rgb) for one, rgb in self.colours.items()}
        if self.linked:
            layer["linkedSegmentationLayer"] = dict(self.linked)
        return layer if self.visible else {**layer, "visible": False}


@dataclass(frozen=True)
class Extent:
    """What is shown at first: from `start_nm` to `stop_nm` (z, y, x), in Neuroglancer's coordinates.

    The cross-sections go through `at_nm`, or through the middle if it is None.
    """

    start_nm: Sequence[float]
    stop_nm: Sequence[float]
    at_nm: Sequence[float] | None = None

    @classmethod
    def of(cls, spec: VolumeSpec) -> Extent | None:
        """Return the extent of a volume; None without a voxel size, or axes z, y and x."""
        size = spec.voxel_size_nm
        if size is None or len(spec.spatial) != 3 or spec.frame.empty:
            return None
        ends = [[n * nm for n, nm in zip(end, size, strict=True)] for end in (spec.frame.start, spec.frame.stop)]
        return cls(*ends)

    def through(self, places_nm: NDArray[np.floating[Any]]) -> Extent:
        """Return the extent with cross-sections through one of places (n, 3): the most central; as it is without any.

        A point is seen only in the sections that go through it.
        """
        start, stop = np.array(self.start_nm), np.array(self.stop_nm)
        inside = places_nm[((places_nm >= start) & (places_nm < stop)).all(axis=1)]
        if not len(inside):
            return self
        distances = np.linalg.norm(inside - (start + stop) / 2, axis=1)
        return replace(self, at_nm=inside[distances.argmin()].tolist())


def read_layers(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the layers of a state, each with a name: those of a list, or of a mapping in older states.

    Raises
    ------
    InvalidInput
        If it is no state of Neuroglancer, or its layers are malformed.
    """
    if state and not _MEMBERS & set(state):
        raise InvalidInput(
            "the JSON is no state of Neuroglancer: it has no layers, layout or position; give the link of a view"
        )
    layers = state.get("layers", [])
    if isinstance(layers, Mapping):
        layers = [
            {**(one if isinstance(one, Mapping) else {"source": one}), "name": name} for name, one in layers.items()
        ]
    if not isinstance(layers, list) or not all(isinstance(one, Mapping) and "name" in one for one in layers):
        raise InvalidInput("the layers of the state are malformed; expected a list of objects with a name")
    return layers


def build_state(
    layers: Iterable[Layer], voxel_size_nm: Sequence[float] | None = None, extent: Extent | None = None
) -> State:
    """Return the state that shows layers, the first at the bottom.

    Parameters
    ----------
    layers : iterable of Layer
        What is shown.
    voxel_size_nm : (z, y, x), optional
        Unit of the positions in the viewer; by default, the viewer takes that of the first layer.
    extent : Extent, optional
        What is shown whole at first, if there is a unit; by default, the viewer chooses.
    """
    shown = list(layers)
    state: State = {"layers": [one.to_json() for one in shown], "layout": "4panel", "showSlices": False}
    if edited := [one.name for one in shown if one.annotations is not None]:
        state["selectedLayer"] = {"layer": edited[0], "visible": True}
    if voxel_size_nm is not None:
        sizes = zip("xyz", reversed(voxel_size_nm), strict=True)
        state = {"dimensions": {axis: [size * _M_PER_NM, "m"] for axis, size in sizes}, **state}
        state |= {} if extent is None else _place(extent, voxel_size_nm)
    return state


def _place(extent: Extent, unit_nm: Sequence[float]) -> State:
    """Return the position and the scales at which an extent is seen whole."""
    ends = list(zip(extent.start_nm, extent.stop_nm, strict=True))
    longest = max(stop - start for start, stop in ends) / min(unit_nm)
    at = [(start + stop) / 2 for start, stop in ends] if extent.at_nm is None else extent.at_nm
    return {
        "position": [place / nm for place, nm in zip(reversed(at), reversed(unit_nm), strict=True)],
        "crossSectionScale": longest / _PANEL_PIXELS,
        "projectionScale": longest * _AROUND,
        "projectionOrientation": list(_FROM_ASIDE),
    }
