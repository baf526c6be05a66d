"""Start a server, and stop it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.applications import Starlette

_STOP_TIMEOUT_S = 20.0


def create_server(app: Starlette) -> uvicorn.Server:
    """Return a server of `app` that logs errors, not requests."""
    settings = uvicorn.Config(app, access_log=False, log_level="warning", lifespan="on", timeout_graceful_shutdown=5)
    return uvicorn.Server(settings)


def run(app: Starlette, *, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve `app` until SIGINT or SIGTERM.

    Parameters
    ----------
    app : Starlette
        Application to serve.
    host : str
        Address to listen on.
    port : int
        Port to listen on; any free one if 0.
    started : function
        Called with ``http://HOST:PORT`` once connections are accepted.
    """
    with _listening(host, port) as listener:
        started(_address(listener))
        create_server(app).run([listener])


@contextmanager
def in_thread(app: Starlette, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve `app` from a thread of this process inside the context.

    Parameters
    ----------
    app : Starlette
        Application to serve.
    host : str
        Address to listen on.
    port : int
        Port to listen on; any free one if 0.

    Yields
    ------
    str
        ``http://HOST:PORT``.
    """
    listener = _listening(host, port)
    server = create_server(app)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="voxome-relay", daemon=True)
    thread.start()
    try:
        yield _address(listener)
    finally:
        server.should_exit = True
        thread.join(_STOP_TIMEOUT_S)
        listener.close()


def _listening(host: str, port: int) -> socket.socket:
    """Return a listening socket that declares TCP: otherwise asyncio delays small answers by 40 ms (no TCP_NODELAY)."""
    listener = socket.create_server((host, port))
    return socket.socket(listener.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
