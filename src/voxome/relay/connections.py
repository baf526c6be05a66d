"""Connections of strangers: closed when they are slow, and counted.

uvicorn limits only the time between two requests, and any byte extends it.
"""

from __future__ import annotations

import asyncio
import math
import resource
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from voxome.relay.cors import EVERY
from voxome.relay.limits import DEFAULT_LIMITS, Limits
from voxome.relay.refusals import refusal_body
from voxome.relay.request_parser import RequestParser

DRAINED_BYTES = 2**20
"""Bytes of a refused body that are still taken, so that its sender reads why it was refused."""
_DRAIN_S = 2.0
"""Time in s for which they are."""
_SMALL_BYTES = 4096
"""What is shorter waits for what is sent behind it in the same step."""
_OTHER_FILES = 2048
"""Open files besides connections: of stores, the cache, databases."""
_REFUSED_PER_OPEN = 2
"""At so many connections for each that is allowed, others are closed without an answer."""


@dataclass
class Guard:
    """What the connections of a process have in common.

    Attributes
    ----------
    limits : Limits
        Limits of all of them.
    origins : collection of str
        Web pages that may read answers.
    share : int
        Number of processes among which connections are shared.
    open : Counter
        Open connections by address.
    """

    limits: Limits = DEFAULT_LIMITS
    origins: Collection[str] = ()
    share: int = 1
    open: Counter[str] = field(default_factory=Counter)

    def __call__(self, *arguments: Any, **options: Any) -> GuardedProtocol:
        """Return the protocol of a new connection, as uvicorn makes it."""
        return GuardedProtocol(self, *arguments, **options)

    def crowd(self, address: str, connections: int) -> float:
        """Return how many connections there are for each that is allowed, in all or from an address."""
        most = math.ceil(self.limits.connections / self.share)
        return max(connections / most, self.open[address] / self.limits.connections_per_address)

    def refusal(self, status: int, message: str, path: str = "") -> bytes:
        """Return an answer that is made without a request, of which at most the path is known."""
        body, media_type = refusal_body(path, status, message)
        readers = "Access-Control-Allow-Origin: *" if EVERY in self.origins else "Vary: Origin"
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {media_type}",
            f"Content-Length: {len(body)}", "Cache-Control: no-store", "Connection: close", readers,
            *(["Retry-After: 1"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
        ]  # fmt: skip
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def allow_files(connections: int) -> None:
    """Let this process have as many open files as connections, stores and the cache need, as far as it may.

    Many systems begin with 1024, at which connections would be refused without an answer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class GuardedProtocol(HttpToolsProtocol):
    """A connection with limits of time and size.

    It waits for a request, receives its body, or answers. A timer looks at it when its deadline has passed: a client
    that has not sent its headers gets status 408, one that takes nothing of its answer is disconnected. The time of a
    body is limited where it is read (`bodies.py`). After an answer to a request whose body was not read, what follows
    of it is taken for a moment; then the connection is closed.

    Parameters
    ----------
    guard : Guard
        Limits, and the other connections.
    """

    def __init__(self, guard: Guard, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = cast(HttpRequestParser, RequestParser(self))
        self._guard, self._limits, self.url = guard, guard.limits, b""
        self._stream: asyncio.Transport = cast(asyncio.Transport, None)
        self._sender: _Sender = cast(_Sender, None)
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = math.inf
        self._unparsed = 0  # bytes of headers
        self._unsent: int | None = (
            None  # bytes that waited for the client when the clock started; None if it does not run
        )
        self._drained: int | None = None  # bytes of a refused body; None if none is refused
        self._address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock, unless there are too many connections."""
        self._stream = transport
        self._sender = _Sender(transport, self)
        super().connection_made(cast(asyncio.Transport, self._sender))
        self._address = self.client[0] if self.client else ""
        self._guard.open[self._address] += 1
        self._allow(self._limits.header_s)
        crowd = self._guard.crowd(self._address, len(self.connections))
        if crowd > _REFUSED_PER_OPEN:
            transport.abort()
        elif crowd > 1:
            self._refuse(503, "there are too many connections; close some, or try again")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._guard.open[self._address] -= 1
        if not self._guard.open[self._address]:
            del self._guard.open[self._address]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, or throw away those of a refused one."""
        if self._drained is not None:
            self._drained += len(data)
            if self._drained > DRAINED_BYTES:
                self._close()
            return
        if not self._has_body:
            if self._is_waiting and not self._unparsed:
                self._allow(self._limits.header_s)
            self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > self._limits.header_kib * 1024 and not self.is_closing:
            self._refuse(431, f"the headers are over {self._limits.header_kib} KiB")

    def on_headers_complete(self) -> None:
        """Begin a request: only what is sent behind it counts as the headers of the next one."""
        self._unparsed = 0
        self._deadline = math.inf if self._unsent is None else self._deadline
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or close after a body that was not read."""
        unread = not self.pipeline and self.cycle.more_body
        super().on_response_complete()
        if unread and not self.is_closing:
            self.close()
        elif self._is_waiting and self._unsent is None and not self.is_closing:
            self._allow(self._limits.idle_s)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(400, "this is not a valid HTTP request")

    def pause_writing(self) -> None:
        """Start the clock of an answer."""
        super().pause_writing()
        self._unsent = self._stream.get_write_buffer_size()
        self._allow(self._limits.write_s)

    def resume_writing(self) -> None:
        """Stop the clock of an answer."""
        super().resume_writing()
        self._unsent, self._deadline = None, math.inf
        if self.is_closing:
            self._allow(_DRAIN_S if self._drained is not None else self._limits.write_s)
        elif self._is_waiting:
            self._allow(self._limits.idle_s)

    def close(self) -> None:
        """End the connection when all has been sent; a client that still sends its body is listened to for a moment."""
        if self._drained is not None or self._stream.is_closing() or not self._has_body:
            self._close()
        else:
            self._drain()

    @property
    def is_closing(self) -> bool:
        """Whether further requests are ignored."""
        return self._drained is not None or self._stream.is_closing()

    @property
    def is_ended(self) -> bool:
        """Whether nothing more can be sent."""
        return self._drained is not None

    @property
    def _is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _has_body(self) -> bool:
        """Whether what arrives is a body."""
        return self.cycle is not None and self.cycle.more_body

    def _close(self) -> None:
        self._sender.flush()
        self._unsent = self._stream.get_write_buffer_size()
        self._stream.close()
        self._allow(self._limits.write_s)  # until all is sent

    def _drain(self) -> None:
        self._sender.flush()
        self._drained = 0
        if self._stream.can_write_eof():  # the client reads the answer before it sees that the rest is not taken
            self._stream.write_eof()
        self.flow.resume_reading()
        self._allow(_DRAIN_S)

    def _refuse(self, status: int, message: str) -> None:
        if self.is_closing:
            self._close()
            return
        is_in_body = self._has_body and not self.cycle.response_started and not self.pipeline
        if self._is_waiting or is_in_body:
            path = self.url.decode("latin-1") if self._unparsed or is_in_body else ""
            self._sender.write(self._guard.refusal(status, message, path))
        if is_in_body:  # its answer is this one
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._drain()

    def _allow(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        """Act if the deadline has passed; it may have been moved since the timer was set."""
        self._timer = None
        if self.loop.time() < self._deadline:
            if self._deadline < math.inf:
                self._timer = self.loop.call_at(self._deadline, self._look)
            return
        unsent, self._deadline = self._stream.get_write_buffer_size(), math.inf
        if self._unsent is not None and self._unsent - unsent >= self._limits.least_bytes_per_s * self._limits.write_s:
            self._unsent = unsent
            self._allow(self._limits.write_s)
        elif self._unsent is not None or self._stream.is_closing():
            self._stream.abort()
        elif self._drained is not None or (self.cycle is not None and not self._unparsed):
            self._close()
        else:
            self._refuse(408, f"no request was received in {self._limits.header_s:g} s")


class _Sender:
    """The transport of a connection, as uvicorn uses it: `close` is that of the protocol.

    What is small, as the head of an answer, is sent together with what comes behind it at once, by one call of the
    system.
    """

    def __init__(self, transport: asyncio.Transport, protocol: GuardedProtocol) -> None:
        self._transport, self._protocol = transport, protocol
        self._small = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._protocol.is_ended:
            return
        small = self._small
        if small:
            self._small = b""
            self._transport.writelines((small, data))
        elif len(data) < _SMALL_BYTES:
            self._small = bytes(data)
            self._protocol.loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        small, self._small = self._small, b""
        if small and not self._transport.is_closing():
            self._transport.write(small)

    def close(self) -> None:
        self._protocol.close()

    def is_closing(self) -> bool:
        return self._protocol.is_closing
