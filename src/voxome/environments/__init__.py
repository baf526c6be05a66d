"""Environments of foreign programs: the machine itself, or containers."""

from __future__ import annotations

from voxome.contracts.environment import Environment
from voxome.registry import factory

GROUP = "voxome.environments"


def open_environment(text: str) -> Environment:
    """Return the environment that ``NAME[?option=value&…]`` names.

    Raises
    ------
    UnknownName, InvalidInput, PluginError
        If there is none of this name, or if it does not take these options.
    """
    environment: Environment = factory(GROUP, text)()
    return environment
