"""``ids``, ``boundingbox``, ``reserve``: the ids of annotation channels."""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response

from voxome.contracts.abilities import SupportsIds
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.relay.dialects.boss import labels
from voxome.relay.dialects.boss.boxes import parse_level, parse_region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.pyramid import CUBOID, Pyramid
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
    try:
        box = _indexed(call, pyramid, number, label, tight=fit == "tight")
        if box is None:
            _check_size(pyramid.domain(number))
            box = labels.bounding_box(call.boss.store(channel), pyramid, number, label, call.gone, tight=fit == "tight")
    except NotFound as error:
        raise Refused(Code.OBJECT_NOT_FOUND, f"id {label} does not occur in {channel.name}") from error
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


def _indexed(call: Call, pyramid: Pyramid, level: int, label: int, *, tight: bool) -> Box | None:
    """Return the bounding box (t, z, y, x) that the index of a source's store has; None if it has no index.

    A source that is written through the relay is searched: its store may not have got all writes yet.
    """
    name = pyramid.channel.served
    if level or not name or call.boss.sources.rights(name).writers:
        return None
    box = call.boss.sources.use(name, SupportsIds, lambda index: index.bounding_box(label, exact=tight))
    if box is None or box.ndim != 3:
        return None
    box = Box((0, *box.start), (1, *box.stop))
    return box if tight else box.snap((1, *CUBOID))


def _check_size(box: Box) -> None:
    if box.size > _MOST_VOXELS:
        message = f"{box.size} voxels would be searched, at most {_MOST_VOXELS} are; use a coarser resolution"
        raise Refused(Code.REQUEST_TOO_LARGE, message)


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) >= 2**64:
        raise Refused(Code.TYPE_ERROR, f"invalid id {text[:40]}: a whole number below 2**64 is expected")
    return int(text)
