"""Access log: one line for each request, as JSON or text.

No line has a token, a cookie or a signature: headers are not logged, and of a query only the parameters that say what
is read. Lines are written by append, so that all processes of a relay share a file, which is opened again when it was
moved away: rotation is left to the system.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxome.errors import InvalidInput

STDOUT = "-"
"""Name of a log that is written to standard output."""
_LOGGED = ("box", "level", "filter", "prefix", "list-type")
"""Parameters of a query that are logged; no others, for their names and values may be secrets."""
_NAMED = ("source", "dialect", "cache", "caller")
_WARN_EVERY_S = 60.0
_LOG = logging.getLogger(__name__)

Write = Callable[[dict[str, Any]], None]


@dataclass
class Noted:
    """What is found out about a request while it is answered."""

    caller: str = ""
    source: str = ""


_NOTED: ContextVar[Noted | None] = ContextVar("voxome_relay_noted", default=None)


def note(*, caller: str = "", source: str = "") -> None:
    """Note who sends the request that is being answered, and which source it reads; the first ones count."""
    noted = _NOTED.get()
    if noted is not None:
        noted.caller, noted.source = noted.caller or caller, noted.source or source


@contextmanager
def noting() -> Iterator[Noted]:
    """Collect what is noted inside the context, in threads that it starts too; contexts inside each other share it."""
    outer = _NOTED.get()
    if outer is not None:
        yield outer
        return
    noted = Noted()
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


class AccessLog:
    """ASGI middleware that writes a record of each request when it has ended.

    Parameters
    ----------
    app : ASGI application
        What it wraps.
    write : function
        Takes a record; see `record_of`.
    """

    def __init__(self, app: ASGIApp, write: Write) -> None:
        self._app, self._write = app, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, started = time.perf_counter(), datetime.now(UTC)
        sent: dict[str, Any] = {"status": 0, "bytes": 0, "cache": ""}

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                cache = Headers(raw=message["headers"]).get("cache-status", "")
                sent.update(status=message["status"], cache=cache.partition("; ")[2])
            else:
                sent["bytes"] += memoryview(message.get("body", b"")).nbytes
            await send(message)

        with noting() as noted:
            try:
                await self._app(scope, receive, send_counted)
            finally:
                ms = round((time.perf_counter() - begin) * 1e3, 2)
                self._write(_record(scope, started, ms, sent, noted))


def _record(scope: Scope, started: datetime, ms: float, sent: dict[str, Any], noted: Noted) -> dict[str, Any]:
    path = logged_path(scope)
    client = scope.get("client")
    return {
        "time": started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "method": scope["method"], "path": path, "status": sent["status"], "bytes": sent["bytes"], "ms": ms,
        "source": noted.source, "dialect": _dialect(path), "cache": sent["cache"], "caller": noted.caller,
        "client": client[0] if client else "",
    }  # fmt: skip


def logged_path(scope: Scope) -> str:
    """Return the path of a request as it was sent, and what of its query is logged, in one line of ASCII.

    Examples
    --------
    >>> logged_path({"raw_path": b"/raw/em/cutout%0a", "path": "", "query_string": b"box=0:1,0:1,0:1&token=abc"})
    '/raw/em/cutout%0a?box=0:1,0:1,0:1'
    """
    raw = scope.get("raw_path") or scope["path"].encode()
    path = quote(raw.partition(b"?")[0], safe="/%:@!$&'()*+,;=~")
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    logged = "&".join(f"{name}={quote(value, safe='/:,')}" for name, value in query if name in _LOGGED)
    return f"{path}?{logged}" if logged else path


def _dialect(path: str) -> str:
    """Return the dialect of a path: its first part, but ``boss`` for the API at the root."""
    first = path.split("/")[1].partition("?")[0] if path.startswith("/") else ""
    return "boss" if first in ("v1", "latest", "ping") else first


def to_text(record: dict[str, Any]) -> str:
    """Return a record as a line of text.

    Examples
    --------
    >>> to_text({"time": "2026-01-01T00:00:00Z", "method": "GET", "path": "/health", "status": 200, "bytes": 15,
    ...     "ms": 0.3, "source": "", "dialect": "health", "cache": "", "caller": "a b", "client": "::1"})
    '2026-01-01T00:00:00Z ::1 GET /health 200 15 0.3ms source=- dialect=health cache=- caller=a%20b'
    """
    named = " ".join(f"{name}={quote(record[name], safe='/;=') or '-'}" for name in _NAMED)
    first = " ".join(str(record[name]) for name in ("time", "client", "method", "path", "status", "bytes"))
    return f"{first} {record['ms']}ms {named}"


FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {"json": json.dumps, "text": to_text}
"""Formats of a log."""


class _Handler(logging.Handler):
    """A handler that warns when a line cannot be written, once a minute."""

    next_warning = 0.0

    def handleError(self, record: logging.LogRecord) -> None:
        if time.monotonic() >= self.next_warning:
            self.next_warning = time.monotonic() + _WARN_EVERY_S
            _LOG.warning("the access log could not be written: %s", sys.exception())


class _File(_Handler, WatchedFileHandler):
    pass


class _Stream(_Handler, logging.StreamHandler):  # type: ignore[type-arg]
    pass


@contextmanager
def open_log(file: str, format: str) -> Iterator[Write]:
    """Yield the function that writes records to a file, or to standard output.

    If a line cannot be written, the log of errors says so, and requests go on.

    Parameters
    ----------
    file : str
        Path of the file, or ``-``.
    format : str
        One of `FORMATS`.

    Raises
    ------
    InvalidInput
        If the file cannot be opened.
    """
    try:
        handler: _Handler = _Stream(sys.stdout) if file == STDOUT else _File(file, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"the access log {file} cannot be opened: {error.strerror}; choose another file") from error
    as_line = FORMATS[format]

    def write(record: dict[str, Any]) -> None:
        handler.handle(logging.makeLogRecord({"msg": as_line(record)}))

    try:
        yield write
    finally:
        handler.close()
