"""Options of a URI that open a view of a volume: ``axes``, ``c``, ``t``, ``start``, ``grid``, ``window``, …."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import VIEW_OPTIONS, Uri
from voxome.errors import InvalidInput, InvalidUri
from voxome.geometry.axes import STANDARD
from voxome.resources.resampled import Resampled
from voxome.resources.sample import sample_percentiles
from voxome.resources.views import Renamed, Selected, Shifted, Windowed

DTYPES = ("uint8", "uint16")
"""Data types of windows."""
_WINDOW = re.compile(r"([^:%]+)(%?):([^:%]+)(%?)")
_ORDER = ("axes", "c", "t", "start", "grid", "window")


def split_view(uri: Uri) -> tuple[Uri, dict[str, str]]:
    """Return the URI of the volume itself, and the options of the view.

    Examples
    --------
    >>> split_view(Uri.parse("zarr://a.zarr?level=1&c=0"))
    (Uri('zarr://a.zarr?level=1'), {'c': '0'})
    """
    view = {name: value for name, value in uri.query.items() if name in VIEW_OPTIONS}
    return replace(uri, query={name: value for name, value in uri.query.items() if name not in view}), view


def refuse_view(uri: Uri, doing: str) -> None:
    """Raise if a URI has options of a view; `doing` is what needs the volume itself, as ``created``.

    Raises
    ------
    InvalidUri
    """
    if view := split_view(uri)[1]:
        raise InvalidUri(f"{uri}: a view cannot be {doing}; leave out {', '.join(f'{name}=' for name in view)}")


def is_percent(view: Mapping[str, str]) -> bool:
    """Return whether the window of a view is given in per cent, which depends on the voxels."""
    return "%" in view.get("window", "")


def with_values(view: Mapping[str, str], source: VolumeSource, name: str) -> dict[str, str]:
    """Return the options of a view with grey values in place of per cent.

    Parameters
    ----------
    view : mapping of str to str
        Options.
    source : VolumeSource
        The volume without the window.
    name : str
        Its URI, for messages.

    Raises
    ------
    InvalidInput
        If the volume is constant.
    """
    low, high = sample_percentiles(source, _ends(view["window"], name), name)
    return {**view, "window": f"{low:.12g}:{high:.12g}"}


def refuse_labels(spec: VolumeSpec, view: Mapping[str, str], name: str) -> None:
    """Refuse a window of labels: ids are no grey values; booleans, of which True becomes the maximum, may have one.

    Raises
    ------
    InvalidInput
    """
    if spec.kind == "labels" and spec.dtype != bool and {"window", "dtype"} & set(view):
        raise InvalidInput(
            f"{name} contains labels, which a window would change; expected grey values. Labels are copied unchanged "
            "without a window, by `voxome transfer`; if these are grey values, say so with `voxome put … --kind image`"
        )


def without_window(view: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a view that keep the voxels."""
    return {name: value for name, value in view.items() if name not in ("dtype", "window", "clip")}


def apply_view(source: VolumeSource, view: Mapping[str, str], name: str) -> VolumeSource:
    """Return the view of a volume; axes are named first, and grey values come last.

    Parameters
    ----------
    source : VolumeSource
        The volume.
    view : mapping of str to str
        Options; a window is in grey values.
    name : str
        Its URI, for messages.

    Raises
    ------
    InvalidUri, InvalidInput
        If an option is malformed, or does not fit the volume.
    """
    options = dict(view)
    for option, known in (("dtype", DTYPES), ("clip", ("true", "false"))):
        if view.get(option, known[0]) not in known:
            raise InvalidUri(f"{name}: ?{option}={view[option]} is not supported; use {' or '.join(known)}")
    if "dtype" in view and "window" not in view:
        if source.spec.dtype != bool:
            raise InvalidUri(
                f"{name}: ?dtype={view['dtype']} needs the values that become 0 and the maximum, as in "
                f"?dtype={view['dtype']}&window=0:4095 or window=0.5%:99.5%"
            )
        options["window"] = "0:1"
    if "clip" in view and "window" not in options:
        raise InvalidUri(f"{name}: ?clip={view['clip']} needs a window, as in ?window=0:1&clip=false")
    for option in _ORDER:
        if option in options:
            source = _VIEWS[option](source, options, name)
    return source


def _renamed(source: VolumeSource, view: Mapping[str, str], name: str) -> VolumeSource:
    axes = view["axes"].lower()
    if not axes or len(set(axes)) < len(axes) or not set(axes) <= set(STANDARD):
        raise InvalidUri(f"{name}: ?axes={axes} should have each of the letters t, c, z, y, x at most once, as zyxc")
    return Renamed(source, axes, name)


def _selected(axis: str) -> Callable[[VolumeSource, Mapping[str, str], str], VolumeSource]:
    def select(source: VolumeSource, view: Mapping[str, str], name: str) -> VolumeSource:
        if not view[axis].isdecimal():
            raise InvalidUri(f"{name}: ?{axis}={view[axis]} is not an index; write ?{axis}=1")
        return Selected(source, axis, int(view[axis]), name)

    return select


def _shifted(source: VolumeSource, view: Mapping[str, str], name: str) -> VolumeSource:
    try:
        z, y, x = (int(n) for n in view["start"].split(","))
    except ValueError:
        raise InvalidUri(f"{name}: ?start={view['start']} should be three indices, as ?start=0,100,100") from None
    return Shifted(source, (z, y, x), name)


def _resampled(source: VolumeSource, view: Mapping[str, str], name: str) -> VolumeSource:
    try:
        size, offset = ([float(n) for n in part.split(",")] for part in view["grid"].split(":"))
        if len(size) != 3 or len(offset) != 3 or not np.isfinite([*size, *offset]).all() or min(size) <= 0:
            raise ValueError
    except ValueError:
        raise InvalidUri(
            f"{name}: ?grid={view['grid']} should be a voxel size and the centre of voxel 0,0,0 in nm (z, y, x), as "
            "?grid=650,650,650:0,0,0"
        ) from None
    return Resampled(source, size, offset, name)


def _windowed(source: VolumeSource, view: Mapping[str, str], name: str) -> VolumeSource:
    dtype = view.get("dtype", DTYPES[0])
    if source.spec.dtype.kind not in "biuf":
        raise InvalidInput(f"{name} is {source.spec.dtype}, which has no window; expected numbers")
    return Windowed(source, dtype, *_ends(view["window"], name), name, clip=view.get("clip") != "false")


_VIEWS: Mapping[str, Callable[[VolumeSource, Mapping[str, str], str], VolumeSource]] = {
    "axes": _renamed,
    "c": _selected("c"),
    "t": _selected("t"),
    "start": _shifted,
    "grid": _resampled,
    "window": _windowed,
}
"""Option → the view that it opens."""


def _ends(window: str, name: str) -> tuple[float, float]:
    """Parse the two ends of a window, as numbers or per cent."""
    expected = "expected two different values or two percentages from 0 to 100, as 0:4095 or 0.5%:99.5%"
    matched = _WINDOW.fullmatch(window)
    try:
        low, high = (float(matched[1]), float(matched[3])) if matched else (0.0, 0.0)
    except ValueError:
        low, high = 0.0, 0.0
    percent = bool(matched and matched[2])
    in_range = all(0 <= end <= 100 for end in (low, high)) if percent else bool(np.isfinite([low, high]).all())
    if matched is None or matched[2] != matched[4] or low == high or not in_range:
        raise InvalidUri(f"{name}: ?window={window}: {expected}")
    return low, high
