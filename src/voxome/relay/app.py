"""A relay as an ASGI application."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from voxome.relay.access_log import AccessLog, Write
from voxome.relay.answer_headers import AddHeaders, AnswerHeaders
from voxome.relay.bodies import BoundedRequests
from voxome.relay.cache.status import RecordedReads, add_cache_status
from voxome.relay.cors import Cors, Preflights
from voxome.relay.dialect import Dialect
from voxome.relay.frames import Frames
from voxome.relay.limits import DEFAULT_LIMITS, Limits
from voxome.relay.loops import RefuseLoops
from voxome.relay.no_route import refuse_route
from voxome.relay.prefix import KeptPrefix
from voxome.relay.rates import LimitedRates, RateTable
from voxome.relay.raw_paths import RawPaths
from voxome.relay.ready import ReadyAnswers
from voxome.relay.stopping import AnswerInterrupted


def create_app(
    dialects: Sequence[Dialect],
    *,
    allow_origins: Sequence[str] = (),
    frame_ancestors: Sequence[str] = (),
    instance: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    log: Write | None = None,
    rates: RateTable | None = None,
    prefix: str = "",
) -> Starlette:
    """Return the ASGI application that answers in `dialects`, and closes them on shutdown.

    Parameters
    ----------
    dialects : sequence of Dialect
        The APIs that are served.
    allow_origins : sequence of str
        Web pages that browsers may let read it (``*`` for all), for viewers.
    frame_ancestors : sequence of str
        Web pages of other origins that may show its pages in a frame (``*`` for all).
    instance : str, optional
        Id of the relay, the same in all its processes; a new one if None.
    limits : Limits
        Limits of requests.
    log : function, optional
        Writes the access log.
    rates : RateTable, optional
        What callers have used of their rates, shared by all processes; one of this process only if None.
    prefix : str
        Path before all addresses, which a proxy may keep, without a slash at the end.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        with ExitStack() as stack:
            for dialect in reversed(dialects):
                stack.callback(dialect.close)
            await to_thread.run_sync(stack.close)

    routes = [route for dialect in dialects for route in dialect.routes()]
    others = [route for route in routes if not _is_at_root(route)]
    roots = [_AtRoot(route, others) for route in routes if _is_at_root(route)]
    app = _Application(
        dialects,
        allow_origins,
        frame_ancestors,
        instance or secrets.token_hex(8),
        limits,
        log,
        rates,
        prefix,
        routes=[*others, *roots],
        exception_handlers={404: refuse_route, 405: refuse_route},
        lifespan=lifespan,
    )
    app.state.dialects, app.state.allow_origins = dialects, tuple(allow_origins)
    return app


class _Application(Starlette):
    """An application with layers outside that of Starlette's which answers 500."""

    def __init__(
        self,
        dialects: Sequence[Dialect],
        allow_origins: Sequence[str],
        frame_ancestors: Sequence[str],
        instance: str,
        limits: Limits,
        log: Write | None,
        rates: RateTable | None,
        prefix: str,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._prefix, self._dialects = prefix, dialects
        self._allow_origins, self._instance, self._limits, self._log = allow_origins, instance, limits, log
        self._rates, self._frame_ancestors = rates, frame_ancestors

    def build_middleware_stack(self) -> ASGIApp:
        inner = RecordedReads(ReadyAnswers(super().build_middleware_stack(), self._dialects))
        checked: ASGIApp = RawPaths(RefuseLoops(inner, self._instance))
        if self._limits.has_rates:
            checked = LimitedRates(checked, self._limits, self._rates or RateTable(), self._instance)
        bounded = AnswerInterrupted(BoundedRequests(checked, self._limits))
        rules: list[AddHeaders] = [add_cache_status, Frames(self._frame_ancestors), Cors(self._allow_origins)]
        answering: ASGIApp = AnswerHeaders(Preflights(bounded), rules)
        if self._prefix:
            answering = KeptPrefix(answering, self._prefix)
        return answering if self._log is None else AccessLog(answering, self._log)


def _is_at_root(route: BaseRoute) -> bool:
    return isinstance(route, Mount) and route.path == ""


class _AtRoot(BaseRoute):
    """A mount at the root, which gets what no other route has: a path with another method is answered there."""

    def __init__(self, mount: BaseRoute, others: Sequence[BaseRoute]) -> None:
        self._mount, self._others = mount, others

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if any(one.matches(scope)[0] is Match.PARTIAL for one in self._others):
            return Match.NONE, {}
        return self._mount.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._mount.handle(scope, receive, send)
