"""Rates of callers: requests, and bytes of bodies and answers, over all processes of a relay."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxome.relay.access_log import noting
from voxome.relay.limits import Limits
from voxome.relay.refusals import refusal_body

_ROWS = 2**18
"""Callers share a row only by chance: one in 2.6 with 10⁵ others, none to speak of with a thousand."""
_REQUESTS, _BYTES = 0, 1
_KNOWN = 4096
"""Tokens that are remembered as valid."""
_FREE = ("/health", "/ready", "/metrics")


class RateTable:
    """For each caller the times at which their requests and bytes so far are paid for, at their rates.

    This is the generic cell rate algorithm (ITU-T I.371): one number for each rate, so that processes share it in a
    memory-mapped file without a lock; a number that two of them write at once is at most one request too low.

    Parameters
    ----------
    file : Path or None
        File that the processes of a relay share; None if there is one process only.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._times: NDArray[np.float64]
        if file is None:
            self._times = np.zeros((_ROWS, 2))
        else:
            if not file.exists() or file.stat().st_size != _ROWS * 16:
                file.write_bytes(bytes(_ROWS * 16))  # a sparse file would end the process when the disk is full
            self._times = np.memmap(file, np.float64, "r+", shape=(_ROWS, 2))

    def delay_s(self, row: int, request_s: float, burst_s: float) -> float:
        """Return how long a caller has to wait with a request that takes `request_s`; at most 0 if they need not."""
        paid, now = self._times[row], time.monotonic()
        return float(max(paid[_REQUESTS] + request_s - max(burst_s, request_s), paid[_BYTES] - burst_s)) - now

    def pay(self, row: int, column: int, seconds: float) -> None:
        """Count what takes so many seconds at the rate of its column."""
        self._times[row, column] = max(self._times[row, column], time.monotonic()) + seconds


class LimitedRates:
    """Layer that answers 429 to a caller who asks for more than the limits permit.

    A caller is a user whose token is known to be valid, and else an address: wrong tokens gain nothing, and neither do
    cookies and signatures, of which every request may have another. An answer is sent to its end; what it has cost is
    waited for before the next one.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    limits : Limits
        Rates.
    table : RateTable
        What callers have used.
    salt : str
        Text by which callers are distributed over the table, the same in all processes, and known to nobody else.
    """

    def __init__(self, app: ASGIApp, limits: Limits, table: RateTable, salt: str) -> None:
        self._app, self._limits, self._table, self._salt = app, limits, table, salt.encode()
        self._request_s = 0.0 if limits.requests_per_s is None else 1 / limits.requests_per_s
        self._users: OrderedDict[bytes, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _FREE:
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("authorization", "")
        is_token, token = sent.lower().startswith(("bearer ", "token ")), self._digest(sent)
        user = self._users.get(token)
        row = self._row(f"user {user}" if user else f"address {(scope.get('client') or ('',))[0]}")
        delay = self._table.delay_s(row, self._request_s, self._limits.burst_s)
        if delay > 0:
            after = {"Retry-After": str(math.ceil(delay)), "Cache-Control": "no-store"}
            body, media_type = refusal_body(scope["path"], 429, "too many requests; repeat later")
            await Response(body, 429, after, media_type)(scope, receive, send)
            return
        self._table.pay(row, _REQUESTS, self._request_s)

        async def receive_counted() -> Message:
            return self._count(row, await receive())

        async def send_counted(message: Message) -> None:
            await send(self._count(row, message))

        with noting() as noted:
            await self._app(scope, receive_counted, send_counted)
        if noted.caller and not user and is_token:
            self._users[token] = noted.caller
            if len(self._users) > _KNOWN:
                self._users.popitem(last=False)

    def _count(self, row: int, message: Message) -> Message:
        body: Any = message.get("body", b"")
        if self._limits.bytes_per_s is not None and len(body):
            self._table.pay(row, _BYTES, memoryview(body).nbytes / self._limits.bytes_per_s)
        return message

    def _row(self, name: str) -> int:
        return int.from_bytes(self._digest(name)) % _ROWS

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=self._salt[:64], digest_size=16).digest()
