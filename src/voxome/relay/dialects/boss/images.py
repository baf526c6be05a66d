"""``image`` and ``tile``: one slice as a picture."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.responses import Response

from voxome.relay.dialects.boss.boxes import Region, region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.cutout import refuse_large
from voxome.relay.dialects.boss.errors import Code, Refused

_ACROSS = {"xy": "z", "xz": "y", "yz": "x"}
_PNG, _JPEG = "image/png", "image/jpeg"
_LARGEST_TILE = 8192


def image(call: Call) -> Response:
    """The slice at one index along an axis, of ranges along the two others."""
    across = _across(call)
    ranges = {axis: _one(call.path[axis]) for axis in (across, "t") if axis in call.path}
    return _picture(call, region(call, "read_volumetric_data", ranges=ranges), across)


def tile(call: Call) -> Response:
    """The square tile of a slice at a place of a grid of tiles; black beyond the volume."""
    across = _across(call)
    size = _index(call.path["size"])
    if not 0 < size <= _LARGEST_TILE:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"a tile has 1 to {_LARGEST_TILE} voxels a side, not {size}")
    places = {axis: _index(call.path[axis]) for axis in "xyz" if axis != across}
    ranges = {axis: f"{n * size}:{(n + 1) * size}" for axis, n in places.items()}
    ranges |= {axis: _one(call.path[axis]) for axis in (across, "t") if axis in call.path}
    return _picture(call, region(call, "read_volumetric_data", ranges=ranges, beyond=True), across)


def _picture(call: Call, asked: Region, across: str) -> Response:
    refuse_large(call, asked)
    data = call.relay.voxels.read(asked.pyramid, asked.level, asked.box)[0]
    flat = data.squeeze("zyx".index(across))
    accept = call.headers.get("accept", "")
    kind = _JPEG if _JPEG in accept and _PNG not in accept else _PNG
    return Response(_encoded(flat, kind), media_type=kind)


def _encoded(flat: NDArray[Any], kind: str) -> bytes:
    if flat.dtype != np.uint8 and (flat.dtype != np.uint16 or kind == _JPEG):
        message = f"{kind} holds uint8{' and uint16' if kind == _PNG else ''} channels, not {flat.dtype}"
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, message)
    stream = io.BytesIO()
    Image.fromarray(flat).save(stream, kind.split("/")[1], quality=85)
    return stream.getvalue()


def _across(call: Call) -> str:
    orientation = call.path["orientation"]
    if orientation not in _ACROSS:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"orientation is one of {', '.join(_ACROSS)}, not {orientation}")
    return _ACROSS[orientation]


def _index(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"{text} is no index: a whole number is expected")
    return int(text[:18])


def _one(text: str) -> str:
    return f"{_index(text)}:{_index(text) + 1}"
