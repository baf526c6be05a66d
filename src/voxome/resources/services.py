"""Services of a volume: ``volume.NAME(…)``."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np

from voxome.contracts.service import GROUP, Requirement
from voxome.contracts.source import VolumeSource
from voxome.errors import PluginError
from voxome.registry import load, targets


class HasSource(Protocol):
    """A `Volume`, as far as services are found and checked with it."""

    source: VolumeSource
    uri: str


class BoundService:
    """A service of one volume; call it with the arguments that follow the volume.

    Parameters
    ----------
    name : str
        Name of the service.
    volume : Volume
        First argument of every call.
    """

    def __init__(self, name: str, volume: HasSource) -> None:
        self._function: Callable[..., Any] = load(GROUP, name)
        self._volume, self.__name__, self.__doc__ = volume, name, inspect.getdoc(self._function)

    def __repr__(self) -> str:
        return f"<service {self.__name__} of {self._volume.uri}>"

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self._function)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the service."""
        return self._function(self._volume, *arguments, **options)


def requirements(service: object) -> Sequence[Requirement[Any]]:
    """Return what a service requires; a plain function requires nothing."""
    return tuple(getattr(service, "requires", ()))


def service_names(attributes: Collection[str]) -> list[str]:
    """Return the names of all services, sorted.

    Parameters
    ----------
    attributes : collection of str
        Names of the attributes of a volume itself.

    Raises
    ------
    PluginError
        If a service has the name of such an attribute, and so could not be reached.
    """
    services = targets(GROUP)
    for name in attributes:
        if name in services:
            raise PluginError(
                f"The service {name!r} ({services[name]}) has the name of an attribute of every volume, which hides "
                "it; rename its entry point, or uninstall its package"
            )
    return sorted(services)


def get_service(name: str, volume: HasSource) -> BoundService:
    """Return a service of `volume`.

    Raises
    ------
    AttributeError
        If it does not exist; the message gives the nearest attribute.
    PluginError
        If the service cannot be loaded.
    """
    if not name.startswith("_") and name in targets(GROUP):
        return BoundService(name, volume)
    if not name.startswith("_") and hasattr(np.ndarray, name):
        call = f"{name}()" if callable(getattr(np.ndarray, name)) else name
        raise AttributeError(f"a Volume has no {name!r}, but its voxels are an array: volume[...].{call}", name=name)
    near = (
        [] if name.startswith("_") else difflib.get_close_matches(name, {*object.__dir__(volume), *targets(GROUP)}, n=1)
    )
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"{type(volume).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=volume)
