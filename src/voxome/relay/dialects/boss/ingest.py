"""``ingest``: jobs of BossDB's ingest client, which a relay does not offer."""

from __future__ import annotations

from starlette.responses import Response

from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused


def refuse(call: Call) -> Response:
    """Say what to do instead: the ingest client sends tiles to queues and buckets of Amazon, which only BossDB has."""
    message = "this server has no ingest jobs, which need queues of AWS; POST cutouts, or use `voxome transfer`"
    raise Refused(Code.INVALID_REQUEST, message, 501)
