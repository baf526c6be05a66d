"""A relay as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Mount

from voxome.relay.dialect import Dialect


def create_app(dialects: Sequence[Dialect], *, allow_origins: Sequence[str] = ()) -> Starlette:
    """Return the ASGI application that answers in `dialects`, and closes them on shutdown.

    Parameters
    ----------
    dialects : sequence of Dialect
        The APIs that are served.
    allow_origins : sequence of str
        Web pages that browsers may let read it (``*`` for all), for viewers.
    """
    middleware = []
    if allow_origins:
        middleware.append(
            Middleware(CORSMiddleware, allow_origins=allow_origins, allow_methods=["*"], allow_headers=["*"])
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        with ExitStack() as stack:
            for dialect in reversed(dialects):
                stack.callback(dialect.close)
            await to_thread.run_sync(stack.close)

    routes = [route for dialect in dialects for route in dialect.routes()]
    return Starlette(routes=sorted(routes, key=_is_at_root), middleware=middleware, lifespan=lifespan)


def _is_at_root(route: BaseRoute) -> bool:
    return isinstance(route, Mount) and route.path == ""
