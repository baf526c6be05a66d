"""``ids``, ``boundingbox``, ``reserve``: the ids of annotation channels."""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response

from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.relay.dialects.boss import labels
from voxome.relay.dialects.boss.boxes import parse_level, parse_region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.records import Channel

_TYPES = ("loose", "tight")
_LAST_ID = 2**63 - 1
_NUMBER = re.compile("[0-9]{1,20}")
_MOST_VOXELS = 2**34
"""Voxels that one look-up may search: minutes."""


def in_box(call: Call) -> Response:
    """Send all ids in a box, as strings."""
    target = parse_region(call, "read_volumetric_data")
    _require_annotation(target.pyramid.channel)
    _check_size(target.box & target.pyramid.domain(target.level))
    voxels = call.boss.store(target.pyramid.channel)
    found = labels.ids_in(voxels, target.pyramid, target.level, target.box, call.gone)
    return JSONResponse({"ids": [str(one) for one in found]})


def bounding_box(call: Call) -> Response:
    """Send the bounding box of an id."""
    channel = call.channel("read_volumetric_data")
    _require_annotation(channel)
    fit = call.query.get("type", "loose")
    if fit not in _TYPES:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"type must be one of {', '.join(_TYPES)}, not {fit}")
    pyramid = call.boss.pyramid(channel)
    number, label = parse_level(pyramid, call.path["resolution"]), _number(call.path["id"])
    _check_size(pyramid.domain(number))
    try:
        box = labels.bounding_box(call.boss.store(channel), pyramid, number, label, call.gone, tight=fit == "tight")
    except NotFound as error:
        raise Refused(Code.OBJECT_NOT_FOUND, str(error)) from error
    ranges = zip("tzyx", box.start, box.stop, strict=True)
    return JSONResponse({f"{axis}_range": [a, b] for axis, a, b in ranges})


def reserve(call: Call) -> Response:
    """Reserve ids that no other caller gets."""
    channel = call.channel("add_volumetric_data")
    _require_annotation(channel)
    count = _number(call.path["count"])
    if not 0 < count <= _LAST_ID - channel.next_id:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"between 1 and {_LAST_ID - channel.next_id} ids can be reserved")
    return JSONResponse({"start_id": call.boss.reserve(channel, count), "count": count})


def _require_annotation(channel: Channel) -> None:
    if channel.type != "annotation":
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, f"{channel.name} is not an annotation channel and has no ids")


def _check_size(box: Box) -> None:
    if box.size > _MOST_VOXELS:
        message = f"{box.size} voxels would be searched, at most {_MOST_VOXELS} are; use a coarser resolution"
        raise Refused(Code.REQUEST_TOO_LARGE, message)


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) >= 2**64:
        raise Refused(Code.TYPE_ERROR, f"invalid id {text[:40]}: a whole number below 2**64 is expected")
    return int(text)
