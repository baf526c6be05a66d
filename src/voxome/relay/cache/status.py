"""How the chunks of a response were found: the header Cache-Status (RFC 9211)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

_NAME = "voxome"
_RECORDED: ContextVar[Counter[str] | None] = ContextVar("voxome_relay_cache_status", default=None)


@contextmanager
def recording() -> Iterator[Counter[str]]:
    """Collect how chunks are found inside the context, in threads that it starts too."""
    results: Counter[str] = Counter()
    token = _RECORDED.set(results)
    try:
        yield results
    finally:
        _RECORDED.reset(token)


def record(result: str) -> None:
    """Note how a chunk was found: ``hit``, ``stale``, ``stored``, ``unstored``, ``collapsed`` or ``bypass``."""
    results = _RECORDED.get()
    if results is not None:
        results[result] += 1


def cache_status(results: Counter[str]) -> str | None:
    """Return the value of Cache-Status; None if no chunk was read.

    Examples
    --------
    >>> cache_status(Counter(hit=3)), cache_status(Counter(hit=3, stored=1)), cache_status(Counter(unstored=1))
    ('voxome; hit', 'voxome; fwd=partial; stored', 'voxome; fwd=miss')
    """
    if not results:
        return None
    if results["bypass"]:
        return f"{_NAME}; fwd=bypass"
    forwarded = results["stored"] + results["unstored"] + results["collapsed"]
    if not forwarded:
        return f'{_NAME}; hit; detail="stale"' if results["stale"] else f"{_NAME}; hit"
    parts = [_NAME, "fwd=partial" if results["hit"] + results["stale"] else "fwd=miss"]
    parts += ["collapsed"] if results["collapsed"] == forwarded else []
    parts += ["stored"] if results["stored"] and not results["unstored"] else []
    parts += ['detail="stale"'] if results["stale"] else []
    return "; ".join(parts)


class RecordedReads:
    """Layer that collects how chunks are found for a request.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with recording():
            await self._app(scope, receive, send)


def add_cache_status(scope: Scope, headers: MutableHeaders) -> None:
    """Add Cache-Status to the headers of an answer for which sources were read."""
    status = cache_status(_RECORDED.get() or Counter())
    if status is not None:
        headers.append("Cache-Status", status)
