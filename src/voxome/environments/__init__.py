"""Environments of foreign programs: the machine itself, or containers."""

from __future__ import annotations

import shutil

from voxome.contracts.environment import Environment
from voxome.errors import InvalidInput
from voxome.registry import factory

GROUP = "voxome.environments"
NATIVE = "native"
"""The environment of programs of this machine."""
_CONTAINERS = ("podman", "docker", "apptainer")
"""Environments of containers, in the order in which they are tried."""


def open_environment(text: str) -> Environment:
    """Return the environment that ``NAME[?option=value&…]`` names.

    Raises
    ------
    UnknownName, InvalidInput, PluginError
        If there is none of this name, or if it does not take these options.
    """
    environment: Environment = factory(GROUP, text)()
    return environment


def container_engine() -> str:
    """Return the name of the environment of containers whose engine is installed.

    Raises
    ------
    InvalidInput
        If there is none.
    """
    name = next((one for one in _CONTAINERS if shutil.which(one)), None)
    if name is None:
        raise InvalidInput(f"None of {', '.join(_CONTAINERS)} is installed, and images need one of them; install one")
    return name
