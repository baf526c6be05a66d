"""What operators ask a relay: whether it lives, whether it is ready, and its metrics.

==================  ======================================================================================
``GET /health``     200 while the process answers
``GET /ready``      200 while it can serve, 503 otherwise, with the reasons; and warnings, of stores that are away
``GET /metrics``    metrics in the text format of Prometheus, of the sources that the caller may read
``GET /status``     a page about them, the cache and the processes; ``/status.json`` is the same as JSON
==================  ======================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.errors import StoreError
from voxome.relay.accounts import Caller, User
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.http import endpoint
from voxome.relay.permitted import PermittedSources
from voxome.relay.processes import ProcessTable
from voxome.relay.relay import Relay
from voxome.relay.request_errors import NOT_KEPT
from voxome.relay.status import build_status, warnings_of_stores
from voxome.relay.status_page import POLICY, render
from voxome.relay.writes.report import gauges, warnings_of

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Operation:
    """Health, readiness and metrics, in the form of a dialect.

    Parameters
    ----------
    relay : Relay
        Provides sources and accounts.
    cache : ChunkCache
        Cache of the sources.
    processes : ProcessTable
        Processes of the relay.
    """

    def __init__(self, relay: Relay, cache: ChunkCache, processes: ProcessTable) -> None:
        self._relay, self._cache, self._processes = relay, cache, processes

    def routes(self) -> Sequence[BaseRoute]:
        serve = partial(endpoint, self._relay, 0)
        return [
            Route("/health", _health, methods=["GET"]),
            Route("/ready", serve(self._ready), methods=["GET"]),
            Route("/metrics", serve(self._metrics), methods=["GET"]),
            Route("/status", serve(self._page), methods=["GET"]),
            Route("/status.json", serve(self._json), methods=["GET"]),
        ]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""

    def _ready(self, request: Request, caller: Caller, body: bytearray) -> Response:
        problems = ["the server is stopping"] if self._relay.stopping.has_begun else []
        try:
            self._relay.catalogue.find(User, name="")
        except Exception:  # of any database; the log of the server has it when a request fails
            problems.append("the catalogue cannot be read")
        warnings: list[str] = []
        try:
            warnings = self._warnings(caller)
        except StoreError:
            problems.append("the journal of writes cannot be read")
        content = {"ready": not problems, "problems": problems, "warnings": warnings}
        return JSONResponse(content, 503 if problems else 200)

    def _metrics(self, request: Request, caller: Caller, body: bytearray) -> Response:
        permitted = PermittedSources(self._relay.sources, caller)
        names = list(permitted)
        text = (
            self._relay.sources.metrics([*names, *permitted.stores])
            + self._cache.metrics()
            + gauges(self._relay.sources, names)
        )
        return PlainTextResponse(text, media_type=_METRICS_TYPE, headers=NOT_KEPT)

    def _page(self, request: Request, caller: Caller, body: bytearray) -> Response:
        return HTMLResponse(render(self._status(caller)), headers={"Content-Security-Policy": POLICY, **NOT_KEPT})

    def _json(self, request: Request, caller: Caller, body: bytearray) -> Response:
        return JSONResponse(self._status(caller), headers=NOT_KEPT)

    def _status(self, caller: Caller) -> dict[str, Any]:
        sources = self._relay.sources
        permitted = PermittedSources(sources, caller)
        status = build_status(sources, [*permitted, *permitted.stores], self._cache, self._processes)
        return {**status, "warnings": self._warnings(caller)}

    def _warnings(self, caller: Caller) -> list[str]:
        """Return sentences about writes that stores do not take, and about stores that cannot be reached."""
        sources = self._relay.sources
        permitted = PermittedSources(sources, caller)
        writes = warnings_of(sources, caller)
        named = {one.partition(":")[0] for one in writes}  # which say already that the store does not take them
        names = [name for name in (*permitted, *permitted.stores) if name not in named]
        return [*writes, *warnings_of_stores(sources, names)]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})
