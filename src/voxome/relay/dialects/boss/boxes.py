"""Boxes in a URL: a resolution and the ranges x, y, z and perhaps t."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from voxome.geometry import Box
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.pyramid import Pyramid

_RANGE = re.compile(r"(\d{1,18}):(\d{1,18})")


@dataclass(frozen=True)
class Region:
    """The part of a channel that a request is about.

    Attributes
    ----------
    box : Box
        (t, z, y, x), inside the coordinate frame.
    has_time : bool
        Whether the URL has a time range, so that arrays have four axes.
    """

    pyramid: Pyramid
    level: int
    box: Box
    has_time: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array on the wire."""
        return self.box.shape if self.has_time else self.box.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of its voxels."""
        return np.dtype(self.pyramid.channel.datatype)


def parse_region(
    call: Call, *permissions: str, ranges: Mapping[str, str] | None = None, beyond: bool = False
) -> Region:
    """Return the region that the path of `call` names, if the caller has all `permissions` on its channel.

    Parameters
    ----------
    permissions : str
        Permissions that the caller needs.
    ranges : mapping, optional
        Ranges along some axes, in place of those in the path.
    beyond : bool
        Whether the box may extend beyond the coordinate frame, as long as a part is inside.

    Raises
    ------
    Refused
        If the channel or level does not exist, or the box is malformed or leaves the coordinate frame.
    """
    pyramid = call.boss.pyramid(call.channel(*permissions))
    number = parse_level(pyramid, call.path["resolution"])
    check_iso(call, pyramid)
    time = pyramid.channel.default_time_sample
    texts = {"t": f"{time}:{time + 1}", **call.path, **(ranges or {})}
    starts, stops = zip(*(_range(texts[axis]) for axis in "tzyx"), strict=True)
    lows = map(min, pyramid.native.start, pyramid.domain(number).start)
    for axis, a, b, low, high in zip("tzyx", starts, stops, lows, pyramid.native.stop, strict=True):
        outside = a >= high or b <= low if beyond else a < low or b > high
        if a >= b or outside:
            message = f"Invalid range {a}:{b} along {axis}: start < stop, within {low}:{high}"
            raise Refused(Code.INVALID_CUTOUT_ARGS, message)
    return Region(pyramid, number, Box(starts, stops), "t" in call.path)


def check_iso(call: Call, pyramid: Pyramid) -> None:
    """Refuse ``?iso=true`` where no levels are halved along z too."""
    if call.flag("iso") and pyramid.experiment.hierarchy_method != "isotropic":
        message = f"{pyramid.experiment.name} is anisotropic and has no levels halved along z; leave out iso=true"
        raise Refused(Code.INVALID_CUTOUT_ARGS, message)


def parse_level(pyramid: Pyramid, text: str) -> int:
    """Return the level that a URL names."""
    if len(text) != 1 or text not in "0123456789" or int(text) not in pyramid.levels:
        first, last = pyramid.levels[0], pyramid.levels[-1]
        raise Refused(Code.TYPE_ERROR, f"Invalid resolution {text}: this channel has {first} to {last}")
    return int(text)


def _range(text: str) -> tuple[int, int]:
    matched = _RANGE.fullmatch(text)
    if matched is None:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"Invalid range {text}; write it as START:STOP, without signs")
    return int(matched[1]), int(matched[2])
