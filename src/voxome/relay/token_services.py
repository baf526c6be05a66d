"""Tokens of other services, as an institute's: a plug-in says whose they are."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from voxome.errors import AccessDenied, InvalidInput
from voxome.registry import load, naming_plugin
from voxome.relay.accounts import PUBLIC, Caller
from voxome.relay.secrets import digest
from voxome.relay.source_errors import CatalogueUnavailable

GROUP = "voxome.token_services"
"""Group of entry points: callables that return a `TokenService`, with the options of the configuration as keywords."""
KEPT_S, REFUSED_S = 60.0, 1.0
"""Time in s for which the user of a token is kept, so that what the service revokes is refused after it at the latest;
and for which it is kept that no service knows a token."""
_MOST_KEPT = 10_000


@dataclass(frozen=True)
class Identity:
    """A user of a token service.

    Attributes
    ----------
    user : str
        Name in the service; in the relay, the user is ``SERVICE:NAME``, who is no user of its catalogue.
    groups : frozenset of str
        Groups of the relay to which the user belongs; members of ``admin`` may do everything.
    """

    user: str
    groups: frozenset[str] = frozenset()


class TokenService(Protocol):
    """Says whose a token is."""

    def identify(self, token: str) -> Identity | None:
        """Return the user of a token; None if it is none of this service. May be called in several threads.

        Raises
        ------
        AccessDenied
            If the token is one of this service, but has expired, or was revoked.
        OSError
            If the service does not answer; the client is to repeat the request.
        """


class TokenServices:
    """The token services of a relay, in order.

    Parameters
    ----------
    services : mapping of str to TokenService
        By name.
    """

    def __init__(self, services: Mapping[str, TokenService]) -> None:
        self._services, self._lock = services, threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Caller | None]] = OrderedDict()

    def caller(self, token: str) -> Caller | None:
        """Return the user of a token; None if no service knows it.

        Raises
        ------
        AccessDenied
            If its service says that it is no longer valid.
        CatalogueUnavailable
            If a service fails.
        """
        if not self._services:
            return None
        key, now = digest(token), time.monotonic()
        with self._lock:
            until, caller = self._kept.get(key, (0.0, None))
        if now < until:
            return caller
        caller = self._find(token)
        with self._lock:
            self._kept[key] = now + (REFUSED_S if caller is None else KEPT_S), caller
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return caller

    def _find(self, token: str) -> Caller | None:
        for name, service in self._services.items():
            try:
                found = service.identify(token)
                if found is not None:
                    return Caller(f"{name}:{found.user}", frozenset({*found.groups, PUBLIC}))
            except AccessDenied:
                raise
            except Exception as error:
                raise CatalogueUnavailable(f"the token service {name} fails") from error
        return None


def open_token_services(options: Mapping[str, Mapping[str, Any]]) -> TokenServices:
    """Return the services with these names and options.

    Raises
    ------
    UnknownName
        If there is no such service.
    InvalidInput
        If a service does not take an option, or refuses its value.
    """
    services: dict[str, TokenService] = {}
    for name, given in options.items():
        factory = load(GROUP, name)
        try:
            with naming_plugin(GROUP, name, "cannot be opened", passing=(TypeError, ValueError)):
                services[name] = factory(**given)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"token_services.{name}: {error}") from error
    return TokenServices(services)
