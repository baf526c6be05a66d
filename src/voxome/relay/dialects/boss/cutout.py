"""``cutout``: voxels read, written, erased."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from voxome.errors import InvalidBox
from voxome.relay.dialects.boss import formats
from voxome.relay.dialects.boss.boxes import Region, region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.responses import LongResponse

_MODES = ("cache", "no-cache", "raw")


def get(call: Call) -> Response:
    """The voxels of a box."""
    asked = region(call, "read_volumetric_data")
    _check_access_mode(call)
    refuse_large(call, asked)
    wanted = _filter(call, asked)
    data = call.relay.voxels.read(asked.pyramid, asked.level, asked.box).reshape(asked.shape)
    if wanted is not None:
        data = np.where(np.isin(data, wanted), data, 0).astype(data.dtype, copy=False)
    content, kind = formats.encode(data, call.headers.get("accept", ""))
    return LongResponse(content, media_type=kind)


def post(call: Call) -> Response:
    """Write a box: zeros keep what is there."""
    asked = region(call, "add_volumetric_data")
    refuse_large(call, asked)
    data: NDArray[Any] = formats.decode(call.body, call.headers.get("content-type", ""), asked.dtype, asked.shape)
    try:
        call.relay.voxels.merge(asked.pyramid, asked.level, asked.box, data.reshape(asked.box.shape))
    except InvalidBox as error:
        raise Refused(Code.INVALID_CUTOUT_ARGS, str(error)) from error
    _levels_are_old(call, asked)
    return Response(status_code=201)


def to_black(call: Call) -> Response:
    """Write zeros."""
    asked = region(call, "delete_volumetric_data")
    call.relay.voxels.erase(asked.pyramid, asked.level, asked.box)
    _levels_are_old(call, asked)
    return Response(status_code=200)


def _levels_are_old(call: Call, asked: Region) -> None:
    if asked.pyramid.channel.downsample_status == "DOWNSAMPLED":
        call.relay.change(asked.pyramid.channel, downsample_status="NOT_DOWNSAMPLED")


def _check_access_mode(call: Call) -> None:
    if {"access-mode", "no-cache"} <= set(call.query):
        raise Refused(Code.INVALID_CUTOUT_ARGS, "give access-mode or no-cache, not both")
    call.flag("no-cache")
    mode = call.query.get("access-mode", "cache")
    if mode not in _MODES:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"access-mode is one of {', '.join(_MODES)}, not {mode}")


def refuse_large(call: Call, asked: Region) -> None:
    """Refuse what is more voxels than one request may hold; of 64-bit ones four times as many bytes."""
    counted = asked.box.size * asked.dtype.itemsize // (4 if asked.dtype.itemsize == 8 else 1)
    if counted > call.relay.largest_cutout_bytes:
        limit = call.relay.largest_cutout_bytes // 2**20
        raise Refused(
            Code.REQUEST_TOO_LARGE, f"the box {asked.box} is over {limit} MiB when uncompressed; ask for less"
        )


def _filter(call: Call, asked: Region) -> NDArray[np.uint64] | None:
    if "filter" not in call.query:
        return None
    if asked.pyramid.channel.type != "annotation":
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, "filter is for annotation channels")
    try:
        ids = [int(one) for one in call.query["filter"].split(",") if one]
        return np.array(ids, np.uint64)
    except (ValueError, OverflowError) as error:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"filter={call.query['filter']}: ids are whole numbers") from error
