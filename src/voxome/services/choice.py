"""Who performs a service: the store itself, a tool of voxome, or the service of another package."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from voxome.calls import explain_calls
from voxome.contracts.abilities import ability
from voxome.contracts.provenance import LOCAL, OWN
from voxome.contracts.service import GROUP, Requirement
from voxome.errors import InvalidInput, UnknownName, UnsupportedFormat, describe_value
from voxome.registry import BUILT_IN, load, targets
from voxome.resources.volume import Volume


def choose(
    service: str | None,
    volume: Volume,
    name: str,
    own: Requirement[Any] | None,
    computing: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """Return who performs the service `name` of a volume.

    Parameters
    ----------
    service : str or None
        ``own``: the store; ``local``: a tool of voxome; the name of the service of another package; None: the store
        if it can, otherwise a tool.
    volume : Volume
        What the service is of.
    name : str
        Its name, for messages.
    own : Requirement or None
        What the source must be able to do for the store to perform it; None if no store can.
    computing : mapping of str to object
        Options that only a tool has; one that is not None excludes the store.

    Returns
    -------
    str
        ``own``, ``local``, or the name of another service, which `call_service` calls.

    Raises
    ------
    InvalidInput
        If `service` is not a text, or is ``own`` with an option that only a tool has.
    UnsupportedFormat
        If it is ``own``, and the store cannot.
    UnknownName
        If there is no such service.
    """
    if service is not None and not isinstance(service, str):
        raise InvalidInput(f"service is {describe_value(service)}; expected 'own', 'local' or the name of a service")
    options = [option for option, value in computing.items() if value is not None]
    if service is None and options:
        return LOCAL
    if service is None:
        return OWN if own is not None and ability(volume.source, own.ability) is not None else LOCAL
    if service == OWN:
        if own is None:
            raise UnsupportedFormat(f"{volume.uri or 'the array'}: no store performs {name!r} itself; use 'local'")
        own.find(volume.source, volume.uri)
        if options:
            raise InvalidInput(
                f"{options[0]} is an option of {name} that is computed, not of what a store keeps; leave it out, or "
                "use service='local'"
            )
    if service in (OWN, LOCAL):
        return service
    others = [one for one in targets(GROUP) if one not in BUILT_IN[GROUP]]  # those of voxome do something else
    if service not in others:
        raise UnknownName.of("service", service, [*([] if own is None else [OWN]), LOCAL, *others], owner=name)
    return service


def call_service(service: str, volume: Volume, *arguments: Any, **options: Any) -> Any:
    """Call another service with the arguments of this one; options that are None are left out.

    Raises
    ------
    WrongCall
        If it does not take one of them.
    """
    chosen = {name: one for name, one in options.items() if one is not None}
    return explain_calls(load(GROUP, service))(volume, *arguments, **chosen)


def chosen_options(function: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """Return the options of a call of `function` that are not its defaults, which another service may not have."""
    defaults = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    return {
        name: value
        for name, value in options.items()
        if value is not defaults[name] and (defaults[name] is None or value != defaults[name])
    }
