"""``downsample``: the levels of a channel, and their computation."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voxome.relay.dialects.boss.boxes import check_iso
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.pyramid import CUBOID


def get(call: Call) -> Response:
    """Send the status of the levels; voxel size, extent and cuboid size (x, y, z) of each."""
    pyramid = call.boss.pyramid(call.channel("read"))
    check_iso(call, pyramid)
    levels = range(pyramid.levels.stop)
    return JSONResponse(
        {
            "status": pyramid.channel.downsample_status,
            "num_hierarchy_levels": pyramid.experiment.num_hierarchy_levels,
            "voxel_size": {str(n): pyramid.voxel_size(n)[::-1] for n in levels},
            "extent": {str(n): pyramid.domain(n).shape[:0:-1] for n in levels},
            "cuboid_size": {str(n): CUBOID[::-1] for n in levels},
        }
    )


def post(call: Call) -> Response:
    """Start computing all levels from the first."""
    channel = call.channel("update")
    if channel.downsample_status in ("IN_PROGRESS", "QUEUED", "DOWNSAMPLED"):
        message = f"Channel {channel.name} is {channel.downsample_status} already. Invalid Request."
        raise Refused(Code.INVALID_STATE, message)
    call.downsampler.start(channel)
    return Response(status_code=201)


def delete(call: Call) -> Response:
    """Stop computing levels."""
    call.downsampler.cancel(call.channel("update"))
    return Response(status_code=204)
