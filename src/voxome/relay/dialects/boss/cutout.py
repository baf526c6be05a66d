"""``cutout``: read, write and erase voxels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from voxome.errors import InvalidBox
from voxome.relay.dialects.boss import formats
from voxome.relay.dialects.boss.boxes import Region, parse_region
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.handlers import Expected
from voxome.relay.http import LongResponse
from voxome.relay.source_errors import hold_memory

_MODES = ("cache", "no-cache", "raw")
_FRAMING_BYTES = 2**20
_OTHER_DTYPE_BYTES = 2**26
"""Bytes beyond those of the box that are read, so that a body of another data type is refused as such."""


def get(call: Call) -> Response:
    """Send the voxels of a box."""
    target = parse_region(call, "read_volumetric_data")
    store = call.boss.store(target.pyramid.channel, cached=_may_be_cached(call))
    check_size(call, target)
    ids, media_type = _filter(call, target), formats.media_type(call.headers.get("accept", ""))
    window = _window(call, media_type)
    data = store.read(target.pyramid, target.level, target.box).reshape(target.shape)
    if ids is not None:
        data = np.where(np.isin(data, ids), data, 0).astype(data.dtype, copy=False)
    if window is not None:
        data = formats.to_grey(data, window)
    return LongResponse(formats.encode(data, media_type), media_type=media_type)


def post(call: Call) -> Expected:
    """Write a box; zeros do not overwrite."""
    target = parse_region(call, "add_volumetric_data")
    check_size(call, target)
    content_type = formats.check_content_type(call.headers.get("content-type", ""))

    def receive(body: bytearray) -> Response:
        data = formats.decode(body, content_type, target.dtype, target.shape)
        _mark_levels_outdated(call, target)
        try:
            call.boss.store(target.pyramid.channel).merge(
                target.pyramid, target.level, target.box, data.reshape(target.box.shape)
            )
        except InvalidBox as error:
            raise Refused(Code.INVALID_CUTOUT_ARGS, str(error)) from error
        _mark_levels_outdated(call, target)
        return Response(status_code=201)

    size = target.box.size * target.dtype.itemsize
    return Expected(size + size // 64 + min(7 * size, _OTHER_DTYPE_BYTES) + _FRAMING_BYTES, receive)


def to_black(call: Call) -> Response:
    """Set the voxels of a box to 0."""
    target = parse_region(call, "delete_volumetric_data")
    check_size(call, target)
    _mark_levels_outdated(call, target)
    call.boss.store(target.pyramid.channel).erase(target.pyramid, target.level, target.box)
    _mark_levels_outdated(call, target)
    return Response(status_code=200)


def _mark_levels_outdated(call: Call, target: Region) -> None:
    """Mark the levels before a write, after which the process may be killed, and after it: others may have begun."""
    if not target.pyramid.channel.served:  # writes to sources are noted in whatever dialect they come
        call.boss.mark_levels_outdated(target.pyramid.channel.uid)


def _may_be_cached(call: Call) -> bool:
    """Return whether voxels may come from the cache: not with the access modes ``no-cache`` and ``raw``."""
    if {"access-mode", "no-cache"} <= set(call.query):
        raise Refused(Code.INVALID_CUTOUT_ARGS, "give access-mode or no-cache, not both")
    without = call.flag("no-cache")
    mode = call.query.get("access-mode", "cache")
    if mode not in _MODES:
        raise Refused(Code.INVALID_CUTOUT_ARGS, f"access-mode must be one of {', '.join(_MODES)}, not {mode}")
    return mode == "cache" and not without


def check_size(call: Call, target: Region) -> None:
    """Refuse more voxels than one request may have; of 64-bit voxels four times as many bytes are allowed."""
    size = target.box.size * target.dtype.itemsize // (4 if target.dtype.itemsize == 8 else 1)
    if size > call.boss.largest_cutout_bytes:
        limit = call.boss.largest_cutout_bytes // 2**20
        raise Refused(
            Code.REQUEST_TOO_LARGE, f"the box {target.box} is over {limit} MiB when uncompressed; request a smaller one"
        )
    hold_memory(target.box.size * target.dtype.itemsize)


def _filter(call: Call, target: Region) -> NDArray[np.uint64] | None:
    if "filter" not in call.query:
        return None
    if target.pyramid.channel.type != "annotation":
        raise Refused(Code.DATATYPE_NOT_SUPPORTED, "filter is for annotation channels only")
    try:
        return np.array([int(one) for one in call.query["filter"].split(",") if one], np.uint64)
    except (ValueError, OverflowError) as error:
        raise Refused(
            Code.INVALID_CUTOUT_ARGS,
            f"filter={call.query['filter'][:80]}: ids must be whole numbers, separated by commas",
        ) from error


def _window(call: Call, media_type: str) -> tuple[float, float] | None:
    """Return the values that are black and white in a JPEG; None without ``?window=LOW,HIGH``, and for other types.

    Neuroglancer sends it with all of them, and expects the voxels as they are where they are not pictures.
    """
    if "window" not in call.query:
        return None
    try:
        low, high = map(float, call.query["window"].split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not -(2.0**64) <= low < high <= 2.0**64:
        message = f"window={call.query['window'][:80]}: two numbers are expected, LOW,HIGH"
        raise Refused(Code.INVALID_CUTOUT_ARGS, message)
    return (low, high) if media_type == formats.JPEG else None
