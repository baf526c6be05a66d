"""``ids``, ``boundingbox``, ``reserve``: what annotation channels have beside voxels."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voxome.errors import NotFound
from voxome.relay import labels
from voxome.relay.catalogue.records import Channel
from voxome.relay.dialects.boss.boxes import level, region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused

_TYPES = ("loose", "tight")
_LAST_ID = 2**63 - 1


def in_box(call: Call) -> Response:
    """All ids in a box, as texts."""
    asked = region(call, "read_volumetric_data")
    _must_be_annotation(asked.pyramid.channel)
    found = labels.ids_in(call.relay.voxels, asked.pyramid, asked.level, asked.box)
    return JSONResponse({"ids": [str(one) for one in found]})


def bounding_box(call: Call) -> Response:
    """The ranges that hold an id."""
    channel = call.channel("read_volumetric_data")
    _must_be_annotation(channel)
    kind = call.query.get("type", "loose")
    if kind not in _TYPES:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"type is one of {', '.join(_TYPES)}, not {kind}")
    pyramid = call.relay.pyramid(channel)
    number, label = level(pyramid, call.path["resolution"]), _number(call.path["id"])
    try:
        box = labels.bounding_box(call.relay.voxels, pyramid, number, label, tight=kind == "tight")
    except NotFound as error:
        raise Refused(Code.OBJECT_NOT_FOUND, str(error)) from error
    ranges = zip("tzyx", box.start, box.stop, strict=True)
    return JSONResponse({f"{axis}_range": [a, b] for axis, a, b in ranges})


def reserve(call: Call) -> Response:
    """Ids that nobody else is given."""
    channel = call.channel("add_volumetric_data")
    _must_be_annotation(channel)
    count = _number(call.path["count"])
    if not 0 < count <= _LAST_ID - channel.next_id:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"between 1 and {_LAST_ID - channel.next_id} ids can be reserved")
    return JSONResponse({"start_id": call.relay.reserve(channel, count), "count": count})


def _must_be_annotation(channel: Channel) -> None:
    if channel.type != "annotation":
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, f"{channel.name} is no annotation channel: it has no ids")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:21]) >= 2**64:
        raise Refused(Code.TYPE_ERROR, f"{text} is no id: a whole number below 2**64 is expected")
    return int(text)
