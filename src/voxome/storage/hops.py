"""The relays through which a request has come, which are sent on so that none of them serves itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Voxome-Relay"
"""Header with the ids of the relays, the first one first."""
MOST = 16
"""Relays in a row beyond which a request is refused."""
UNNAMED = "0" * 8
"""What stands for a relay whose id is not sent."""

_ID = re.compile(r"[0-9a-f]{8,32}")
_HOPS: ContextVar[tuple[str, ...]] = ContextVar("voxome_relay_hops", default=())


def hops() -> tuple[str, ...]:
    """Return the ids of the relays through which the request that is being served has come, this one among them."""
    return _HOPS.get()


@contextmanager
def through(ids: Sequence[str]) -> Iterator[None]:
    """Send these ids with all requests to stores inside the context."""
    token = _HOPS.set(tuple(ids))
    try:
        yield
    finally:
        _HOPS.reset(token)


def hop_headers() -> dict[str, str]:
    """Return the header of a request to a store; none outside a relay.

    Examples
    --------
    >>> with through(["a" * 8, "b" * 8]):
    ...     hop_headers()
    {'X-Voxome-Relay': 'aaaaaaaa, bbbbbbbb'}
    """
    return {HEADER: ", ".join(hops())} if hops() else {}


def parse_hops(text: str) -> list[str]:
    """Return the ids in a header; other values are left out, as other programs may use the header.

    Examples
    --------
    >>> parse_hops("aaaaaaaa,bbbbbbbb, x")
    ['aaaaaaaa', 'bbbbbbbb']
    """
    return [one for one in (part.strip() for part in text.split(",")) if _ID.fullmatch(one)]
