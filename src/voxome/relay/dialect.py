"""Dialect protocol: one API in front of a relay's sources."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from voxome.errors import MissingExtra
from voxome.registry import load, load_all
from voxome.relay.relay import Relay

_LOG = logging.getLogger(__name__)
GROUP = "voxome.dialects"
"""Group of the registry and of entry points: functions of a `Relay` that return a `Dialect`."""


class Dialect(Protocol):
    """One API in front of a relay: it translates requests into boxes of sources, and back."""

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of the API, under separate prefixes; a mount at the root is tried last."""

    def close(self) -> None:
        """Stop work in the background, and wait until it has ended."""


@runtime_checkable
class SupportsAddresses(Protocol):
    """A dialect in which a source has an address."""

    def addresses(self, name: str) -> Mapping[str, str]:
        """Return name of the API → address of a source in it, below that of the relay; nothing if it has none."""


def addresses_of(app: Starlette, name: str) -> dict[str, str]:
    """Return the addresses of a source in all dialects of an application, by the names of the APIs."""
    dialects: Sequence[Dialect] = app.state.dialects
    found = [one.addresses(name) for one in dialects if isinstance(one, SupportsAddresses)]
    return {api: address for addresses in found for api, address in addresses.items()}


def open_dialects(relay: Relay, names: Iterable[str] = ()) -> list[Dialect]:
    """Return the dialects of these names for `relay`; by default all whose packages are installed.

    A warning names those that are left out.

    Raises
    ------
    UnknownName
        If a name is unknown.
    """
    factories: list[Callable[[Relay], Dialect]] = [load(GROUP, name) for name in names]
    if factories:
        return [factory(relay) for factory in factories]
    dialects = []
    for name, factory in load_all(GROUP):
        try:
            dialects.append(factory(relay))
        except MissingExtra as error:
            _LOG.warning("The dialect %s is left out: %s", name, error)
    return dialects
