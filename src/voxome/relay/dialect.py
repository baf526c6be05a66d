"""Dialect protocol: one API in front of a relay's sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from starlette.routing import BaseRoute

from voxome.registry import load, load_all
from voxome.relay.relay import Relay

GROUP = "voxome.dialects"
"""Group of the registry and of entry points: functions of a `Relay` that return a `Dialect`."""


class Dialect(Protocol):
    """One API in front of a relay: it translates requests into boxes of sources, and back."""

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of the API, under separate prefixes; a mount at the root is tried last."""

    def close(self) -> None:
        """Stop work in the background, and wait until it has ended."""


def open_dialects(relay: Relay, names: Iterable[str] = ()) -> list[Dialect]:
    """Return the dialects of these names for `relay`; by default all.

    Raises
    ------
    UnknownName
        If a name is unknown.
    """
    dialects = [load(GROUP, name) for name in names]
    factories: list[Callable[[Relay], Dialect]] = dialects or [one for _, one in load_all(GROUP)]
    return [factory(relay) for factory in factories]
