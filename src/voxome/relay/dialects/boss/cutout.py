"""``cutout``: read, write and erase voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from voxome.errors import InvalidBox
from voxome.relay.dialects.boss import formats
from voxome.relay.dialects.boss.boxes import Region, parse_region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.http import LongResponse

_MODES = ("cache", "no-cache", "raw")


def get(call: Call) -> Response:
    """Send the voxels of a box."""
    target = parse_region(call, "read_volumetric_data")
    _check_access_mode(call)
    check_size(call, target)
    ids = _filter(call, target)
    data = call.boss.reader(target.pyramid.channel).read(target.pyramid, target.level, target.box).reshape(target.shape)
    if ids is not None:
        data = np.where(np.isin(data, ids), data, 0).astype(data.dtype, copy=False)
    content, media_type = formats.encode(data, call.headers.get("accept", ""))
    return LongResponse(content, media_type=media_type)


def post(call: Call) -> Response:
    """Write a box; zeros do not overwrite."""
    target = parse_region(call, "add_volumetric_data")
    check_size(call, target)
    data: NDArray[Any] = formats.decode(call.body, call.headers.get("content-type", ""), target.dtype, target.shape)
    try:
        call.boss.voxels.merge(target.pyramid, target.level, target.box, data.reshape(target.box.shape))
    except InvalidBox as error:
        raise Refused(Code.INVALID_CUTOUT_ARGS, str(error)) from error
    _mark_levels_outdated(call, target)
    return Response(status_code=201)


def to_black(call: Call) -> Response:
    """Set the voxels of a box to 0."""
    target = parse_region(call, "delete_volumetric_data")
    call.boss.voxels.erase(target.pyramid, target.level, target.box)
    _mark_levels_outdated(call, target)
    return Response(status_code=200)


def _mark_levels_outdated(call: Call, target: Region) -> None:
    if target.pyramid.channel.downsample_status == "DOWNSAMPLED":
        call.boss.change(target.pyramid.channel, downsample_status="NOT_DOWNSAMPLED")


def _check_access_mode(call: Call) -> None:
    if {"access-mode", "no-cache"} <= set(call.query):
        raise Refused(Code.INVALID_CUTOUT_ARGS, "give access-mode or no-cache, not both")
    call.flag("no-cache")
    mode = call.query.get("access-mode", "cache")
    if mode not in _MODES:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"access-mode must be one of {', '.join(_MODES)}, not {mode}")


def check_size(call: Call, target: Region) -> None:
    """Refuse more voxels than one request may have; of 64-bit voxels four times as many bytes are allowed."""
    size = target.box.size * target.dtype.itemsize // (4 if target.dtype.itemsize == 8 else 1)
    if size > call.boss.largest_cutout_bytes:
        limit = call.boss.largest_cutout_bytes // 2**20
        raise Refused(
            Code.REQUEST_TOO_LARGE, f"the box {target.box} is over {limit} MiB when uncompressed; request a smaller one"
        )


def _filter(call: Call, target: Region) -> NDArray[np.uint64] | None:
    if "filter" not in call.query:
        return None
    if target.pyramid.channel.type != "annotation":
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, "filter is for annotation channels only")
    try:
        return np.array([int(one) for one in call.query["filter"].split(",") if one], np.uint64)
    except (ValueError, OverflowError) as error:
        raise Refused(
            Code.INVALID_CUTOUT_ARGS, f"filter={call.query['filter']}: ids must be whole numbers, separated by commas"
        ) from error
