"""Volumes, labels and annotations in napari, which is not an extra of voxome: its users choose a toolkit with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, cast

import numpy as np

from voxome.contracts.shapes import Annotations
from voxome.errors import MissingExtra, UnsupportedFormat
from voxome.resources.shapes import Points
from voxome.resources.volume import Volume
from voxome.viewer.contents import Content

_EVERYWHERE_NM = 1e12


def show_in_napari(contents: Sequence[Content]) -> Any:
    """Open a window of napari with contents, images at the bottom; voxels are read when they are shown.

    Positions are nm in the frame of `voxome.view`: from the corner of voxel 0.

    Parameters
    ----------
    contents : sequence of Content
        What is shown.

    Returns
    -------
    napari.Viewer

    Raises
    ------
    MissingExtra
        If napari is not installed.
    UnsupportedFormat
        If annotations are neither points nor lines.
    """
    if find_spec("napari") is None:
        raise MissingExtra("The package napari is not installed; install it with: pip install 'napari[all]'")
    import napari

    order = list(_ADD)
    arranged = sorted(contents, key=lambda one: order.index(one.type))
    layers = [_ADD[one.type](one) for one in arranged]
    viewer = napari.Viewer(title="voxome")
    for add, data, options in layers:
        getattr(viewer, add)(data, **options)
    viewer.scale_bar.visible, viewer.scale_bar.unit = True, "nm"
    return viewer


_Layer = tuple[str, Any, Mapping[str, Any]]
"""Method of the viewer, data, and options."""


def _image(content: Content) -> _Layer:
    volume, options = _volume(content)
    limits = {"contrast_limits": (0, 255)} if volume.dtype == np.uint8 else {}
    return "add_image", _levels(volume), {**options, **limits}


def _labels(content: Content) -> _Layer:
    volume, options = _volume(content)
    return "add_labels", _levels(volume), options


def _annotations(content: Content) -> _Layer:
    found = content.resource
    if isinstance(found, Points):
        ends = [(side * _EVERYWHERE_NM,) * 3 for side in (-1, 1)]
        found = found.within(ends[0], ends[1])
    shown = cast("Annotations", found)
    options = {"name": content.name, "visible": content.visible}
    if shown.shape == "point":
        return "add_points", shown.positions_nm[:, 0], {**options, "size": 50}
    if shown.shape == "line":
        return "add_shapes", list(shown.positions_nm), {**options, "shape_type": "line", "edge_width": 20}
    raise UnsupportedFormat(f"{content.name} has annotations of the shape {shown.shape}; napari shows points and lines")


def _volume(content: Content) -> tuple[Volume, dict[str, Any]]:
    """Return the volume of a content, and where it is."""
    volume = cast("Volume", content.resource)
    spec = volume.spec
    scale, translate = np.ones(volume.ndim), np.zeros(volume.ndim)
    sizes = dict(zip("zyx", spec.voxel_size_nm or (1.0, 1.0, 1.0), strict=True))
    for axis in spec.spatial:
        size = sizes[spec.axes[axis]]
        scale[axis] = size
        translate[axis] = (spec.domain.start[axis] + 0.5) * size
    places = {"scale": scale.tolist(), "translate": translate.tolist()}
    return volume, {"name": content.name, "visible": content.visible, **places}


def _levels(volume: Volume) -> Volume | list[Volume]:
    """Return a volume, or all levels of a pyramid."""
    count = len(volume.levels)
    return volume if count < 2 else [volume.level(number) for number in range(count)]


_ADD: Mapping[str, Callable[[Content], _Layer]] = {
    "image": _image,
    "segmentation": _labels,
    "annotation": _annotations,
}
