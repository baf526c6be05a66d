"""Sources, and the objects of stores, as objects of S3.

========================================  ========================================================
``GET /s3``                               the buckets: ``precomputed``, ``zarr`` and ``zarr3``
``GET /s3/BUCKET?list-type=2``            keys that the caller may read, with their sizes
``GET`` or ``HEAD`` ``/s3/BUCKET/KEY``    an object: whole, a range, or on conditions
``PUT``, ``DELETE`` ``/s3/BUCKET/KEY``    write or delete an object, on conditions
``POST /s3/BUCKET?delete``                delete many
``POST /s3/BUCKET/KEY?uploads`` …         upload an object in parts
========================================  ========================================================

A bucket is a format, and a key is ``NAME/PATH``: the path of a file of a source in it. Nothing is compressed, so that
sizes are known without the voxels. In the buckets of zarr, a key whose beginning is the name of a store is an object of
its own, kept as it is. Requests are anonymous, or signed with a key pair (`keys.py`); those that write are signed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from voxome.errors import AccessDenied
from voxome.relay.access_log import note
from voxome.relay.accounts import Caller
from voxome.relay.dialects.s3.body import receive
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.errors import Anonymous, error_response
from voxome.relay.dialects.s3.keys import Keys
from voxome.relay.dialects.s3.operation import Operation
from voxome.relay.dialects.s3.operations import find_operation
from voxome.relay.dialects.s3.signature import verify
from voxome.relay.dialects.volume_files import VolumeFilesDialect
from voxome.relay.relay import Relay

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"]


class S3Dialect:
    """Sources and objects of stores under ``/s3``.

    Parameters
    ----------
    relay : Relay
        Provides the sources, accounts and key pairs.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay, self._keys = relay, Keys(relay.catalogue, relay.accounts)
        raw = {"codec": "raw"}
        self._buckets = {
            "precomputed": VolumeFilesDialect(relay, "", "precomputed", encoding=raw, together="c"),
            "zarr": VolumeFilesDialect(relay, "", "zarr", encoding={"format": "zarr2", **raw}),
            "zarr3": VolumeFilesDialect(relay, "", "zarr", encoding={"format": "zarr3", **raw}),
        }

    def routes(self) -> Sequence[BaseRoute]:
        paths = ("/s3", "/s3/", "/s3/{bucket}", "/s3/{bucket}/{key:path}")
        return [Route(path, self._respond, methods=_METHODS) for path in paths]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""

    def addresses(self, name: str) -> Mapping[str, str]:
        """Return the address of a source in each bucket."""
        return {f"s3/{bucket}": f"s3/{bucket}/{name}" for bucket in self._buckets}

    async def _respond(self, request: Request) -> Response:
        try:
            call = await self._relay.threads.run(self._identify, request)
            response = await self._perform(call, find_operation(call))
        except Exception as error:
            response = error_response(error, request)
        response.headers["x-amz-request-id"] = secrets.token_hex(8).upper()
        return response

    def _identify(self, request: Request) -> S3Call:
        signature = verify(request, self._keys.secret)
        caller = Caller() if signature is None else self._keys.caller(signature.access_key)
        note(caller=caller.name)
        names = request.path_params.get("bucket", ""), request.path_params.get("key", "")
        return S3Call(request, caller, signature, self._relay.sources, self._buckets, *names)

    async def _perform(self, call: S3Call, operation: Operation) -> Response:
        run = self._relay.threads.run
        try:
            sink = await run(operation.sink, call)
            if sink is None:
                return await run(operation.answer, call, None)
            try:
                body = await receive(call.request, call.signature, sink, self._relay.threads)
                return await run(operation.answer, call, body)
            finally:
                await run(sink.discard)
        except AccessDenied as error:
            if call.caller.name:
                raise
            raise Anonymous(str(error)) from error
