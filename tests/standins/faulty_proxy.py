"""An HTTP proxy that misbehaves on demand: in front of a server, or by itself.

Examples
--------
::

    with FaultyProxy(server_url) as proxy:           # upstream=None: every request needs a fault, or gets 404
        proxy.script(r"/chunk", Answer(503), Cut(), None)     # the next three requests whose target matches
        client.read(proxy.url + "/chunk")
        assert [request.fault for request in proxy.seen] == [Answer(503), Cut(), None]
        proxy.chance(0.1, Cut(), seed=0)             # a tenth of all others, at random
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
    """Answer so, without asking the server."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """Pass the request on if `reaches`, then close the connection after `after` bytes of the answer's body.

    None as `after` closes it before the status line.
    """

    after: int | None = None
    reaches: bool = False


@dataclass(frozen=True)
class Stall:
    """Take the request and say nothing; `after` bytes of the answer's body are sent before, if not None."""

    after: int | None = None


@dataclass(frozen=True)
class Altered:
    """Change the body of the server's answer; its length is told right."""

    change: Callable[[bytes], bytes]


Fault = Answer | Cut | Stall | Altered


@dataclass(frozen=True)
class Request:
    """A request that came, and what was done to it."""

    method: str
    target: str
    fault: Fault | None
    headers: Mapping[str, str]


class FaultyProxy(ThreadingHTTPServer):
    """The proxy, on a port of its own of the loopback; a context manager.

    Parameters
    ----------
    upstream : str, optional
        Address of the server behind it.
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
        self._plans: list[tuple[re.Pattern[str], list[Fault | None]]] = []
        self._chances: list[tuple[float, Fault, random.Random, re.Pattern[str]]] = []

    def script(self, target: str, *faults: Fault | None) -> None:
        """Do these, one each, to the next requests whose ``METHOD /path?query`` matches the expression `target`."""
        with self._lock:
            self._plans.append((re.compile(target), list(faults)))

    def chance(self, share: float, fault: Fault, *, seed: int, target: str = "") -> None:
        """Do `fault` to a random `share` of the requests that match `target` and nothing else was planned for."""
        with self._lock:
            self._chances.append((share, fault, random.Random(seed), re.compile(target)))

    def calm(self) -> None:
        """Forget all plans, and what was seen."""
        with self._lock:
            self._plans.clear()
            self._chances.clear()
            self.seen.clear()

    def planned(self, handler: BaseHTTPRequestHandler) -> Fault | None:
        """What to do to a request."""
        method, target, line = handler.command, handler.path, f"{handler.command} {handler.path}"
        with self._lock:
            queue = next((q for pattern, q in self._plans if q and pattern.search(line)), None)
            fault = queue.pop(0) if queue else None
            for share, other, dice, pattern in self._chances if queue is None else ():
                if fault is None and pattern.search(line) and dice.random() < share:
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
        """Be quiet: clients that go away are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyProxy

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.planned(self)
        if isinstance(fault, Answer):
            self._send(fault.status, list(fault.headers.items()), fault.body)
            return
        if (isinstance(fault, Cut) and fault.after is None and not fault.reaches) or fault == Stall():
            self._end(fault)
            return
        status, headers, found = self._passed_on(body)
        if isinstance(fault, Altered):
            found = fault.change(found)
        kept = fault.after if isinstance(fault, (Cut, Stall)) else None
        if not isinstance(fault, (Cut, Stall)) or kept is not None:
            self._send(status, headers, found, kept)
        if isinstance(fault, (Cut, Stall)):
            self._end(fault)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET

    def _passed_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self.server.upstream is None:
            return 404, [], b"nothing is behind this proxy"
        server = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    server.putheader(name, value)
            server.endheaders(body)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, kept: int | None = None) -> None:
        """An answer, of whose body only the first `kept` bytes are really sent."""
        silent = self.command == "HEAD" or status in (204, 304)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP and (silent or name.lower() != "content-length"):
                self.send_header(name, value)
        if not silent:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not silent:
            self.wfile.write(body if kept is None else body[:kept])

    def _end(self, fault: Fault | None) -> None:
        if isinstance(fault, Stall):
            self.server.over.wait()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
