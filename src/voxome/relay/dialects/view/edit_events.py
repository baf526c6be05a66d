"""Events when sources are edited: each source is looked at once a second, however many clients wait for it."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voxome.errors import AccessDenied, InvalidInput, VoxomeError
from voxome.relay.accounts import Caller
from voxome.relay.http import error_response, identify
from voxome.relay.relay import Relay
from voxome.relay.request_errors import NOT_KEPT, RETRY
from voxome.relay.sources import Sources
from voxome.relay.stopping import EventStream

MOST_NAMES = 64
"""Layers of one stream."""
MOST_STREAMS = 64
"""Streams of one user in one process, or of one address without a token."""
_LOOK_S = 1.0
"""Time between two looks for edits."""


class EditEvents:
    """Streams of the versions of sources that are edited.

    Parameters
    ----------
    relay : Relay
        Its sources are looked at.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._looks: dict[str, tuple[float, asyncio.Future[str | None]]] = {}
        self._streams: Counter[str] = Counter()

    async def respond(self, request: Request) -> Response:
        """Send the versions of layers, whenever one has changed, until the caller may read none of them."""
        caller, names = Caller(), list(dict.fromkeys(request.query_params.getlist("layer")))
        try:
            caller = await identify(request, self._relay.accounts, self._relay.threads)
            if not 1 <= len(names) <= MOST_NAMES:
                raise InvalidInput(f"the query has {len(names)} layers; expected 1 to {MOST_NAMES}, as ?layer=NAME")
            if not readable(self._relay.sources, names, caller):
                raise AccessDenied("no permission to read one of these layers")
        except Exception as error:
            return error_response(error, request, caller)
        owner = f"user {caller.name}" if caller.name else f"address {request.client.host if request.client else ''}"
        if self._streams[owner] >= MOST_STREAMS:
            message = f"{MOST_STREAMS} streams of events are open already; close some"
            return JSONResponse({"message": message}, 429, RETRY | NOT_KEPT)
        return EventStream(self._relay.stopping, self._changes(request, names, owner))

    async def _changes(self, request: Request, names: Sequence[str], owner: str) -> AsyncIterator[str]:
        self._streams[owner] += 1
        sent: Mapping[str, str] | None = None
        try:
            while not await request.is_disconnected():
                try:
                    caller = await identify(request, self._relay.accounts, self._relay.threads)
                except AccessDenied:  # the token has expired
                    return
                except VoxomeError:  # of a catalogue, or a service of tokens, that is away for a moment
                    yield ":\n\n"
                    await anyio.sleep(_LOOK_S)
                    continue
                allowed = readable(self._relay.sources, names, caller)
                if not allowed:
                    return
                versions = {name: version for name, version in (sent or {}).items() if name in allowed}
                for name in allowed:
                    with suppress(VoxomeError):  # of a store that is away for a moment
                        version = await self._version(name)
                        if version is not None:
                            versions[name] = version
                yield ":\n\n" if versions == sent else f"data: {json.dumps(versions)}\n\n"
                sent = versions
                await anyio.sleep(_LOOK_S)
        finally:
            self._streams[owner] -= 1
            if not self._streams[owner]:
                del self._streams[owner]

    async def _version(self, name: str) -> str | None:
        """Return the version of a source as it was at most a second ago."""
        begun, look = self._looks.get(name, (-math.inf, None))
        if look is None or (look.done() and time.monotonic() - begun >= _LOOK_S / 2):
            look = asyncio.ensure_future(self._relay.threads.run(self._relay.sources.current_version, name))
            self._looks[name] = time.monotonic(), look
        return await asyncio.shield(look)


def readable(sources: Sources, names: Iterable[str], caller: Caller) -> list[str]:
    """Return those of some names that are sources which a caller may read; volumes in stores are not edited."""
    known = [name for name in names if sources.find_store(name) is None and name in sources]
    return [name for name in known if sources.rights(name).may_read(caller)]
