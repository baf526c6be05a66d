"""``image`` and ``tile``: one slice as PNG or JPEG."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.responses import Response

from voxome.relay.dialects.boss.boxes import Region, parse_region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.cutout import check_size
from voxome.relay.dialects.boss.errors import Code, Refused

_SLICE_AXES = {"xy": "z", "xz": "y", "yz": "x"}
_PNG, _JPEG = "image/png", "image/jpeg"
_LARGEST_TILE = 8192
_INDEX = re.compile("[0-9]{1,12}")


def image(call: Call) -> Response:
    """Send a slice: one index along an axis, ranges along the other two."""
    slice_axis = _slice_axis(call)
    ranges = {axis: _single(call.path[axis]) for axis in (slice_axis, "t") if axis in call.path}
    return _response(call, parse_region(call, "read_volumetric_data", ranges=ranges), slice_axis)


def tile(call: Call) -> Response:
    """Send a square tile of a slice, by its indices in a grid of tiles; black beyond the volume."""
    slice_axis = _slice_axis(call)
    size = _index(call.path["size"])
    if not 0 < size <= _LARGEST_TILE:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"the side of a tile must be 1 to {_LARGEST_TILE} voxels, not {size}")
    indices = {axis: _index(call.path[axis]) for axis in "xyz" if axis != slice_axis}
    ranges = {axis: f"{n * size}:{(n + 1) * size}" for axis, n in indices.items()}
    ranges |= {axis: _single(call.path[axis]) for axis in (slice_axis, "t") if axis in call.path}
    return _response(call, parse_region(call, "read_volumetric_data", ranges=ranges, beyond=True), slice_axis)


def _response(call: Call, target: Region, slice_axis: str) -> Response:
    check_size(call, target)
    data = call.boss.store(target.pyramid.channel).read(target.pyramid, target.level, target.box)[0]
    flat = data.squeeze("zyx".index(slice_axis))
    accept = call.headers.get("accept", "")
    media_type = _JPEG if _JPEG in accept and _PNG not in accept else _PNG
    return Response(_encode(flat, media_type), media_type=media_type)


def _encode(flat: NDArray[Any], media_type: str) -> bytes:
    if flat.dtype != np.uint8 and (flat.dtype != np.uint16 or media_type == _JPEG):
        message = f"{media_type} is for uint8{' and uint16' if media_type == _PNG else ''} channels, not {flat.dtype}"
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, message)
    stream = io.BytesIO()
    Image.fromarray(flat).save(stream, media_type.split("/")[1], quality=85)
    return stream.getvalue()


def _slice_axis(call: Call) -> str:
    orientation = call.path["orientation"]
    if orientation not in _SLICE_AXES:
        raise Refused(
            Code.INVALID_CUTOUT_ARGS, f"orientation must be one of {', '.join(_SLICE_AXES)}, not {orientation}"
        )
    return _SLICE_AXES[orientation]


def _index(text: str) -> int:
    if _INDEX.fullmatch(text) is None:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"invalid index {text[:40]}: a whole number is expected")
    return int(text)


def _single(text: str) -> str:
    return f"{_index(text)}:{_index(text) + 1}"
