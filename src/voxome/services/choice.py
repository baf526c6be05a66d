"""Who performs a service: the store itself, a tool of voxome, or the service of another package."""

from __future__ import annotations

from typing import Any

from voxome.contracts.abilities import ability
from voxome.contracts.provenance import LOCAL, OWN
from voxome.contracts.service import GROUP, Requirement
from voxome.errors import InvalidInput, UnknownName, UnsupportedFormat, describe_value
from voxome.registry import load, targets
from voxome.resources.volume import Volume


def choose(service: str | None, volume: Volume, name: str, own: Requirement[Any] | None) -> str:
    """Return who performs the service `name` of a volume.

    Parameters
    ----------
    service : str or None
        ``own``: the store; ``local``: a tool of voxome; the name of another service; None: the store if it can,
        otherwise a tool.
    volume : Volume
        What the service is of.
    name : str
        Its name, for messages.
    own : Requirement or None
        What the source must be able to do for the store to perform it; None if no store can.

    Returns
    -------
    str
        ``own``, ``local``, or the name of another service, which `call_service` calls.

    Raises
    ------
    InvalidInput
        If `service` is not a text.
    UnsupportedFormat
        If it is ``own``, and the store cannot.
    UnknownName
        If there is no such service.
    """
    if service is not None and not isinstance(service, str):
        raise InvalidInput(f"service is {describe_value(service)}; expected 'own', 'local' or the name of a service")
    if service is None:
        return OWN if own is not None and ability(volume.source, own.ability) is not None else LOCAL
    if service == OWN:
        if own is None:
            raise UnsupportedFormat(f"{volume.uri or 'the array'}: no store performs {name!r} itself; use 'local'")
        own.find(volume.source, volume.uri)
    if service in (OWN, LOCAL):
        return service
    if service not in targets(GROUP) or service == name:
        others = [OWN, LOCAL, *(one for one in targets(GROUP) if one != name)]
        raise UnknownName.of(f"service for {name!r}", service, others)
    return service


def call_service(service: str, volume: Volume, *arguments: Any, **options: Any) -> Any:
    """Call another service with the arguments of this one; options that are None are left out.

    Raises
    ------
    WrongCall
        If it does not take one of them.
    """
    return load(GROUP, service)(volume, *arguments, **{name: one for name, one in options.items() if one is not None})
