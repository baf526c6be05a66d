"""Where the program of a foreign tool runs: on this machine, or in containers of its image."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

from voxome.blocks.command.program import program_digest
from voxome.blocks.command.tool import NATIVE
from voxome.config.settings import settings
from voxome.contracts.command_tool import CommandDefinition
from voxome.environments import open_environment
from voxome.errors import PlanError

_ENGINES = ("podman", "docker", "apptainer")
"""Engines of containers, in the order in which they are tried."""


def placed(definition: CommandDefinition) -> CommandDefinition:
    """Return a definition with the environment of its program, and the digest of the image or program.

    An image is used unless the setting ``environment`` is ``native``.

    Raises
    ------
    PlanError
        If there is an image, but no engine of containers.
    NotFound, InvalidInput
        If the image or program is not on this machine.
    """
    chosen = settings().environment
    if definition.image is None or (chosen or "").partition("?")[0] == NATIVE:
        assert definition.line is not None
        native = chosen if chosen and chosen.partition("?")[0] == NATIVE else NATIVE
        return replace(definition, image=None, environment=native, digest=program_digest(definition.line))
    engine = chosen or next((name for name in _ENGINES if shutil.which(name)), None)
    if engine is None:
        raise PlanError(
            [
                f"{definition.name} runs in the image {definition.image}, but none of {', '.join(_ENGINES)} is "
                "installed; install one, or run the program of this machine with VOXOME_ENVIRONMENT=native"
            ]
        )
    may_pull = definition.may_pull and settings().allow_network
    digest = open_environment(engine).prepare(definition.image, may_pull=may_pull)
    return replace(definition, environment=engine, digest=digest)


def limit_warnings(definition: CommandDefinition) -> Iterator[str]:
    """Yield the limits of a program that its environment does not keep on this machine."""
    line = definition.line
    if line is None or line.memory_bytes is None:
        return
    kept = open_environment(definition.environment).limits_kept()
    if not kept.memory:
        yield f"{definition.name} declares a memory limit (ramMax), which is not kept: {kept.reason}"
