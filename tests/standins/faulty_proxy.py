"""HTTP proxy that misbehaves on demand: in front of a server, or by itself.

Examples
--------
::

    with FaultyProxy(server_url) as proxy:           # without a URL, requests without a fault get a 404
        proxy.script(r"/chunk", Answer(503), Cut(), None)     # the next three matching requests
        client.read(proxy.url + "/chunk")
        assert [request.fault for request in proxy.seen] == [Answer(503), Cut(), None]
        proxy.chance(0.1, Cut(), seed=0)             # a random tenth of all others
"""

from __future__ import annotations

import http.client
import random
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


@dataclass(frozen=True)
class Answer:
    """Respond without forwarding the request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """Close the connection after `after` bytes of the response body; forward the request before only if `reaches`.

    If `after` is None, close it before the status line.
    """

    after: int | None = None
    reaches: bool = False


@dataclass(frozen=True)
class Stall:
    """Stop responding after `after` bytes of the response body, or at once if None."""

    after: int | None = None


@dataclass(frozen=True)
class Alter:
    """Change the body of the server's response, with a correct content-length."""

    change: Callable[[bytes], bytes]


Fault = Answer | Cut | Stall | Alter


@dataclass(frozen=True)
class Request:
    """A received request, and its fault."""

    method: str
    target: str
    fault: Fault | None
    headers: Mapping[str, str]


class FaultyProxy(ThreadingHTTPServer):
    """Proxy on a free port of the loopback interface; a context manager.

    Parameters
    ----------
    upstream : str, optional
        URL of the server behind it.
    """

    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = None if upstream is None else urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[Request] = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._scripts: list[tuple[re.Pattern[str], list[Fault | None]]] = []
        self._chances: list[tuple[float, Fault, random.Random, re.Pattern[str]]] = []

    def script(self, target: str, *faults: Fault | None) -> None:
        """Apply these faults, one each, to the next requests whose ``METHOD /path?query`` matches `target`."""
        with self._lock:
            self._scripts.append((re.compile(target), list(faults)))

    def chance(self, share: float, fault: Fault, *, seed: int, target: str = "") -> None:
        """Apply `fault` to a random `share` of the requests that match `target` and have no scripted fault."""
        with self._lock:
            self._chances.append((share, fault, random.Random(seed), re.compile(target)))

    def reset(self) -> None:
        """Remove all faults and seen requests."""
        with self._lock:
            self._scripts.clear()
            self._chances.clear()
            self.seen.clear()

    def next_fault(self, handler: BaseHTTPRequestHandler) -> Fault | None:
        """Record a request and return its fault."""
        method, target, line = handler.command, handler.path, f"{handler.command} {handler.path}"
        with self._lock:
            queue = next((q for pattern, q in self._scripts if q and pattern.search(line)), None)
            fault = queue.pop(0) if queue else None
            for share, other, rng, pattern in self._chances if queue is None else ():
                if fault is None and pattern.search(line) and rng.random() < share:
                    fault = other
            self.seen.append(Request(method, target, fault, dict(handler.headers.items())))
            return fault

    def __enter__(self) -> FaultyProxy:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: clients that disconnect are expected."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyProxy

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.next_fault(self)
        if isinstance(fault, Answer):
            self._send(fault.status, list(fault.headers.items()), fault.body)
            return
        if (isinstance(fault, Cut) and fault.after is None and not fault.reaches) or fault == Stall():
            self._end(fault)
            return
        status, headers, content = self._forward(body)
        if isinstance(fault, Alter):
            content = fault.change(content)
        length = fault.after if isinstance(fault, (Cut, Stall)) else None
        if not isinstance(fault, (Cut, Stall)) or length is not None:
            self._send(status, headers, content, length)
        if isinstance(fault, (Cut, Stall)):
            self._end(fault)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self.server.upstream is None:
            return 404, [], b"nothing is behind this proxy"
        server = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    server.putheader(name, value)
            server.endheaders(body)
            response = server.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            server.close()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int | None = None) -> None:
        """Send a response, of whose body only the first `length` bytes are really sent."""
        bodyless = self.command == "HEAD" or status in (204, 304)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP and (bodyless or name.lower() != "content-length"):
                self.send_header(name, value)
        if not bodyless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not bodyless:
            self.wfile.write(body if length is None else body[:length])

    def _end(self, fault: Fault | None) -> None:
        if isinstance(fault, Stall):
            self.server.over.wait()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
