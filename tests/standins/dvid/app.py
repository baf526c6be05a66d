"""The service as an ASGI app, and as a server on a socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.dvid.calls import Call, not_found
from standins.dvid.service import Service

_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def application(service: Service) -> Starlette:
    """Return the ASGI app of a service."""

    async def handle(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(service.handle, _call(request, body))

    async def unknown(request: Request) -> Response:
        return not_found().response(request.url.path)

    return Starlette(routes=[Route("/api/{rest:path}", handle, methods=_METHODS), Route("/{rest:path}", unknown)])


def _call(request: Request, body: bytes) -> Call:
    return Call(
        method=request.method,
        path=request.url.path,
        parts=tuple(request.path_params["rest"].rstrip("/").split("/")),
        query=request.query_params,
        headers=request.headers,
        body=body,
        base_url=str(request.base_url).rstrip("/"),
    )


def create_server(service: Service) -> uvicorn.Server:
    """Return a server for a service; pass sockets to its `run`."""
    return uvicorn.Server(uvicorn.Config(application(service), log_level="error", lifespan="off"))


@contextmanager
def open_listener(host: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[socket.socket, str]]:
    """Open a listening socket, on any free port if `port` is 0; yields it and the base URL."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
        yield listener, f"http://{host}:{listener.getsockname()[1]}"


@contextmanager
def serving(admin_token: str | None = None, *, service: Service | None = None) -> Iterator[str]:
    """Run a server on a free port of this machine.

    Parameters
    ----------
    admin_token : str, optional
        Value that ``?admintoken=`` must have for administrators.
    service : Service, optional
        The service to run; a new one if None.

    Yields
    ------
    str
        The base URL, such as ``http://127.0.0.1:40123``.
    """
    server = create_server(service or Service(admin_token))
    with open_listener() as (listener, url):
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the DVID stand-in did not start")
            time.sleep(0.005)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()
