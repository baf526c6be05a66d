"""Planes of a volume, with labels over them, synapses and a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_flags, require_whole
from voxome.contracts.placement import are_placed, placement_problem
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox, InvalidInput, UnknownName, describe_value
from voxome.geometry import Box
from voxome.plot.figures import interactive_figure, plotly_objects, static_figure
from voxome.reports.colours import distinct_colours
from voxome.reports.marks import bar_length_nm, length_text
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume

MAX_PIXELS = 4096
"""Voxels along a side of what is drawn; a larger plane is refused."""
_INCHES = 6.0
_OPACITY = 0.45
_AXES = "zyx"


@explain_calls
def section(
    image: VolumeLike,
    index: int | None = None,
    *,
    axis: str = "z",
    labels: VolumeLike | None = None,
    box: Box | str | None = None,
    points_nm: ArrayLike | None = None,
    voxel_size_nm: Sequence[float] | None = None,
    title: str | None = None,
    interactive: bool = False,
) -> Any:
    """Draw a plane of a volume.

    Parameters
    ----------
    image : str, path, Volume or array
        Volume along z, y and x. Grey values from the 0.5th to the 99.5th percentile of the plane are shown.
    index : int, optional
        Index of the plane along `axis`, in the volume's coordinates; by default the middle of the box.
    axis : {"z", "y", "x"}
        Axis that is perpendicular to the plane.
    labels : str, path, Volume or array, optional
        Labels, or a mask, of the same voxels, drawn over the image; neighbours get different colours. Where a voxel
        size is unknown, the labels need the shape of the image and its first index.
    box : Box or str, optional
        Part of the volume; by default all. At most 4,096 voxels along each side of the plane.
    points_nm : (n, 3) array, optional
        z, y, x in nm from the corner of voxel 0, as of synapses; those in the plane are drawn as rings.
    voxel_size_nm : (z, y, x), optional
        Voxel size of what is an array.
    title : str, optional
        Title; by default the position of the plane.
    interactive : bool
        Whether to return a figure of plotly rather than of matplotlib.

    Returns
    -------
    matplotlib.figure.Figure or plotly.graph_objects.Figure
        With a scale bar, if the voxel size is known.

    Raises
    ------
    InvalidInput
        If the volume is not three-dimensional, if the labels have other voxels, or the plane is too large.
    InvalidBox
        If the plane is outside the volume.
    MissingExtra
        If matplotlib or plotly is not installed.
    """
    require_flags(interactive=interactive)
    only_labels = isinstance(labels, np.ndarray) and not isinstance(image, np.ndarray)
    opened = as_volume(image, voxel_size_nm=None if only_labels else voxel_size_nm)
    over = None if labels is None else _opened_labels(labels, voxel_size_nm)
    volume, plane, at = _plane(opened, index, axis, box)
    along = _AXES.index(axis)
    sides = [one for one in range(3) if one != along]
    pixels = _grey(volume.cutout(plane).take(0, axis=along))
    painted = None if over is None else _painted(over, volume, plane, along)
    places = _places(points_nm, volume.spec, plane, along)
    size = volume.spec.voxel_size_nm
    pixel_nm = None if size is None else (size[sides[0]], size[sides[1]])
    draw = _draw_interactive if interactive else _draw_static
    names = (_AXES[sides[0]], _AXES[sides[1]])
    origin = (plane.start[sides[0]], plane.start[sides[1]])
    return draw(_Plane(pixels, painted, places, pixel_nm, origin, names, title or f"{axis} = {at}"))


def _opened_labels(labels: VolumeLike, voxel_size_nm: Sequence[float] | None) -> Volume:
    return as_volume(labels, voxel_size_nm=voxel_size_nm if isinstance(labels, np.ndarray) else None)


def _plane(volume: Volume, index: int | None, axis: str, box: Box | str | None) -> tuple[Volume, Box, int]:
    """Return the volume, the box of the plane, and its index."""
    if axis not in _AXES:
        raise UnknownName.of("axis", axis, _AXES)
    if volume.spec.axes != ("z", "y", "x"):
        raise InvalidInput(f"the volume has the axes {', '.join(volume.spec.axes)}; expected z, y, x: fix one channel")
    region = volume.domain if box is None else Box.of(box, volume.domain)
    along = _AXES.index(axis)
    if region.empty or region not in volume.domain:
        raise InvalidBox(f"the box {region} is empty or not inside the volume, which is {volume.domain}")
    at = (region.start[along] + region.stop[along]) // 2 if index is None else require_whole("index", index)
    if not region.start[along] <= at < region.stop[along]:
        raise InvalidBox(
            f"the plane {axis} = {at} is outside the box; expected {region.start[along]} to {region.stop[along] - 1}"
        )
    start, stop = list(region.start), list(region.stop)
    start[along], stop[along] = at, at + 1
    plane = Box(tuple(start), tuple(stop))
    if max(plane.shape) > MAX_PIXELS:
        raise InvalidInput(
            f"the plane {plane} has sides of over {MAX_PIXELS} voxels; choose a part with box=, or a coarser level"
        )
    return volume, plane, at


def _grey(plane: NDArray[Any]) -> NDArray[np.uint8]:
    values = plane.astype(np.float64)
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [0.5, 99.5]) if len(known) else (0.0, 1.0)
    scaled = (values - low) / (high - low if high > low else 1.0)
    return np.asarray(np.rint(255 * np.clip(np.nan_to_num(scaled), 0, 1)), np.uint8)


def _painted(volume: Volume, image: Volume, plane: Box, along: int) -> NDArray[np.uint8]:
    """Return the colours (height, width, 4) of labels; the background is transparent."""
    if volume.spec.dtype.kind not in "uib":
        raise InvalidInput(f"the labels are {volume.spec.dtype}; expected integers, or a mask")
    if problem := placement_problem("the image", image.spec, "the labels", volume.spec):
        raise InvalidInput(problem)
    if not are_placed(image.spec, volume.spec) and volume.domain != image.domain:
        raise InvalidInput(
            f"the labels span {volume.domain}, the image {image.domain}, and a voxel size is unknown, so that their "
            "places are, too; give labels of the same voxels"
        )
    if plane not in volume.domain:
        raise InvalidInput(f"the labels span {volume.domain}, not the plane {plane}; give labels of the same voxels")
    values = volume.cutout(plane).take(0, axis=along)
    values = values.astype(np.uint8) if values.dtype == np.bool_ else values
    colours = distinct_colours([values])
    ids, inverse = np.unique(values, return_inverse=True)
    palette = np.array([(*colours[one], 255) if one else (0, 0, 0, 0) for one in ids.tolist()], np.uint8)
    return palette[inverse.reshape(values.shape)]


def _places(points_nm: ArrayLike | None, spec: VolumeSpec, plane: Box, along: int) -> NDArray[np.float64]:
    """Return row and column (n, 2) of the points in the plane, in the volume's coordinates of voxel centres."""
    if points_nm is None:
        return np.empty((0, 2))
    if spec.voxel_size_nm is None:
        raise InvalidInput("the volume has no voxel size, so that points in nm have no place; set it")
    points = np.asarray(points_nm, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InvalidInput(f"points_nm is {describe_value(points_nm)}; expected an array of shape (n, 3)")
    at = points / np.array(spec.voxel_size_nm)
    inside = ((at >= plane.start) & (at < plane.stop)).all(axis=1)
    return np.asarray(np.delete(at[inside], along, axis=1) - 0.5)


@dataclass(frozen=True)
class _Plane:
    """What is drawn: grey values, colours of labels, rows and columns of points, and the place of all of it."""

    pixels: NDArray[np.uint8]
    painted: NDArray[np.uint8] | None
    places: NDArray[np.float64]
    pixel_nm: tuple[float, float] | None
    origin: tuple[int, int]
    names: tuple[str, str]
    title: str


def _draw_static(drawn: _Plane) -> Any:
    pixels, painted, places, pixel_nm = drawn.pixels, drawn.painted, drawn.places, drawn.pixel_nm
    height, width = pixels.shape
    ratio = 1.0 if pixel_nm is None else pixel_nm[0] / pixel_nm[1]
    figure, axes = static_figure(_INCHES, max(_INCHES * height * ratio / width, 1.5))
    (top, left), (rows, columns) = drawn.origin, drawn.names
    extent = (left - 0.5, left + width - 0.5, top + height - 0.5, top - 0.5)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest")
    if painted is not None:
        axes.imshow(painted, extent=extent, alpha=_OPACITY, interpolation="nearest")
    axes.scatter(places[:, 1], places[:, 0], s=60, facecolors="none", edgecolors="#ffd60a", linewidths=1.5)
    axes.set(aspect=ratio, title=drawn.title, xlabel=columns, ylabel=rows, xlim=extent[:2], ylim=extent[2:])
    if pixel_nm is not None:
        _add_bar(axes, width, height, pixel_nm[1], left, top)
    return figure


def _add_bar(axes: Any, width: int, height: int, nm: float, left: int, top: int) -> None:
    length = bar_length_nm(width * nm)
    stop, level = left + 0.97 * width, top + 0.95 * height
    axes.plot([stop - length / nm, stop], [level, level], color="white", linewidth=3, solid_capstyle="butt")
    axes.text(
        stop - length / nm / 2, level - 0.02 * height, length_text(length), color="white", ha="center", va="bottom"
    )


def _draw_interactive(drawn: _Plane) -> Any:
    pixels, painted, places, pixel_nm = drawn.pixels, drawn.painted, drawn.places, drawn.pixel_nm
    objects = plotly_objects()
    (top, left), (rows, columns) = drawn.origin, drawn.names
    place = {"x0": left, "y0": top}
    grey = np.repeat(pixels[..., None], 3, axis=2)
    if painted is not None:
        seen = painted[..., 3:] > 0
        grey = np.where(seen, (1 - _OPACITY) * grey + _OPACITY * painted[..., :3], grey).astype(np.uint8)
    traces = [objects.Image(z=grey, name="", **place)]
    if len(places):
        ring = {"symbol": "circle-open", "size": 12, "color": "#ffd60a", "line": {"width": 2}}
        traces.append(objects.Scatter(x=places[:, 1], y=places[:, 0], mode="markers", marker=ring, name="points"))
    ratio = 1.0 if pixel_nm is None else pixel_nm[0] / pixel_nm[1]
    figure = interactive_figure(
        traces,
        drawn.title,
        xaxis={"title": {"text": columns}, "constrain": "domain"},
        yaxis={"title": {"text": rows}, "scaleanchor": "x", "scaleratio": ratio, "constrain": "domain"},
    )
    if pixel_nm is not None:
        height, width = pixels.shape
        length = bar_length_nm(width * pixel_nm[1])
        stop, level = left + 0.97 * width, top + 0.95 * height
        line = {"color": "white", "width": 4}
        figure.add_shape(type="line", x0=stop - length / pixel_nm[1], x1=stop, y0=level, y1=level, line=line)
        figure.add_annotation(
            x=stop - length / pixel_nm[1] / 2, y=level, text=length_text(length), showarrow=False, yshift=12,
            font={"color": "white"},
        )  # fmt: skip
    return figure
