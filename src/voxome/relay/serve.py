"""Start a server, and stop it."""

from __future__ import annotations

import errno
import logging
import math
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread, Timer
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from voxome.errors import InvalidInput, StoreError
from voxome.relay.config import TlsConfig
from voxome.relay.connections import Guard
from voxome.relay.stopping import Stopping

_STOP_TIMEOUT_S = 20.0
_LAST_PORT = 65_535

_CLOSING_S = 5.0
"""Time in which a server closes after its requests have ended."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stop:
    """How a server stops.

    Attributes
    ----------
    stopping : Stopping
        Begins with the first signal.
    drain_s : float
        Time in s for which it still takes requests.
    shutdown_s : float
        Time in s in which requests under way must end.
    """

    stopping: Stopping = field(default_factory=Stopping)
    drain_s: float = 0.0
    shutdown_s: float = 5.0


class _Server(uvicorn.Server):
    """A server that is not ready before it stops, and whose process ends in time, whatever its threads wait for."""

    def __init__(self, settings: uvicorn.Config, stop: Stop) -> None:
        super().__init__(settings)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop because of a signal; a second one ends what the first one waits for."""
        is_first, stop = not self._stop.stopping.has_begun, self._stop
        self._stop.stopping.begin()
        if is_first:
            _after(stop.drain_s + stop.shutdown_s + _CLOSING_S, _end_process)
        if is_first and stop.drain_s:
            _after(stop.drain_s, super().handle_exit, sig, frame)
        else:
            super().handle_exit(sig, frame)


def _after(seconds: float, action: Callable[..., None], *arguments: object) -> None:
    timer = Timer(seconds, action, arguments)
    timer.daemon = True
    timer.start()


def _end_process() -> None:
    _LOG.warning("requests did not end in time; the process ends nevertheless")
    os._exit(0)


def create_server(
    app: ASGIApp, tls: TlsConfig | None = None, guard: Guard | None = None, stop: Stop | None = None
) -> uvicorn.Server:
    """Return a server of `app` that logs errors, not requests, and whose connections are limited by `guard`."""
    guard, stop = guard or Guard(), stop or Stop()
    settings = uvicorn.Config(
        app, access_log=False, log_level="warning", log_config=None, lifespan="on",
        timeout_graceful_shutdown=math.ceil(stop.shutdown_s),
        http=cast(Any, guard), ws="none", timeout_keep_alive=math.ceil(guard.limits.idle_s) + 1,
        ssl_certfile=None if tls is None else tls.certificate, ssl_keyfile=None if tls is None else tls.key,
    )  # fmt: skip
    return _Server(settings, stop)


def serve_until_stopped(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run a server in the main thread until SIGINT or SIGTERM, and then return."""
    signal.signal(signal.SIGTERM, _end_run)  # uvicorn sends itself the signal again when it has stopped
    with suppress(KeyboardInterrupt, _Ended):
        server.run([listener])


class _Ended(BaseException):
    """SIGTERM, after the server has stopped."""


def _end_run(number: int, frame: object) -> None:
    raise _Ended


def run(app: ASGIApp, *, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Parameters
    ----------
    app : ASGIApp
        Application to serve.
    host : str
        Address to listen on.
    port : int
        Port to listen on; any free one if 0.
    started : function
        Called with ``http://HOST:PORT`` once connections are accepted.
    """
    with listening(host, port) as listener:
        started(address_of(listener))
        serve_until_stopped(create_server(app), listener)


@contextmanager
def in_thread(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, guard: Guard | None = None) -> Iterator[str]:
    """Serve `app` from a thread of this process inside the context.

    Parameters
    ----------
    app : ASGIApp
        Application to serve.
    host : str
        Address to listen on.
    port : int
        Port to listen on; any free one if 0.
    guard : Guard, optional
        Limits of its connections.

    Yields
    ------
    str
        ``http://HOST:PORT``.
    """
    listener = listening(host, port)
    server = create_server(app, guard=guard)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="voxome-relay", daemon=True)
    thread.start()
    try:
        yield address_of(listener)
    finally:
        server.should_exit = True
        thread.join(_STOP_TIMEOUT_S)
        listener.close()


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket that declares TCP: otherwise asyncio delays small answers by 40 ms (no TCP_NODELAY).

    Raises
    ------
    InvalidInput
        If there is no such port, or the host is none of this machine.
    StoreError
        If the port is in use, or not for this user.
    """
    if not 0 <= port <= _LAST_PORT:
        raise InvalidInput(f"port {port} does not exist; choose one up to {_LAST_PORT}, or 0 for any free one")
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        is_unresolved = isinstance(error, socket.gaierror) or (error.errno or 0) < 0  # as create_server raises it
        if is_unresolved or error.errno == errno.EADDRNOTAVAIL:
            raise InvalidInput(f"{host} is no address of this machine; choose another host") from error
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {os.strerror(error.errno or 0)}"
        raise StoreError(f"port {port} of {host} {reason}; choose another port, or 0 for any free one") from error
    return socket.socket(listener.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
