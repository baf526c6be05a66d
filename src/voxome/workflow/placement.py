"""Where the program of a foreign tool runs: on this machine, or in containers of its image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from voxome.blocks.command.program import program_digest
from voxome.blocks.command.tool import CommandTool
from voxome.blocks.step import Step
from voxome.config.settings import settings
from voxome.contracts.command_tool import CommandDefinition
from voxome.contracts.engine import Engine, Resources, capacity_of
from voxome.engines.choice import StepEngines
from voxome.environments import NATIVE, container_engine, open_environment
from voxome.environments.lock import ImageLock, prepare_image
from voxome.errors import PlanError


def placed(definition: CommandDefinition, lock: ImageLock, environment: str | None = None) -> CommandDefinition:
    """Return a definition with the environment of its program, and the digest of the image or program.

    An image is used unless the environment is ``native``.

    Parameters
    ----------
    definition : CommandDefinition
        The tool, with its command line.
    lock : ImageLock
        Pinned images.
    environment : str, optional
        ``NAME[?option=value&…]``; that of the settings if None, and without either the first engine that is installed.

    Raises
    ------
    NotFound, InvalidInput
        If the image or program is not on this machine, or if there is no engine of containers.
    """
    chosen = environment or settings().environment
    is_native = chosen is not None and chosen.partition("?")[0] == NATIVE
    if definition.image is None or is_native:
        assert definition.line is not None
        native = chosen if chosen is not None and is_native else NATIVE
        passed = open_environment(native).passed_variables()
        digest = program_digest(definition.line, passed)
        return replace(definition, image=None, environment=native, digest=digest)
    name = chosen or container_engine()
    may_pull = definition.may_pull and settings().allow_network
    digest = prepare_image(open_environment(name), definition.image, lock, may_pull=may_pull)
    return replace(definition, environment=name, digest=digest)


def clear_containers(steps: Iterable[Step], run: str, engines: StepEngines) -> None:
    """Remove the containers of steps of blocks that a killed run has left on this machine.

    None is removed while an engine has jobs of that run: their containers may be on this machine, too.
    """
    if engines.have_left_jobs():
        return
    tools = [step.tool_object for step in steps]
    definitions = [tool.definition for tool in tools if isinstance(tool, CommandTool)]
    for environment in {one.environment for one in definitions if one.image is not None}:
        open_environment(environment).clear(run)


def require_capacity(steps: Iterable[Step], engine_of: Callable[[Step], Engine]) -> None:
    """Check before a run that the engines have what the programs of its steps reserve.

    Raises
    ------
    PlanError
        If one of them can never start.
    """
    problems = []
    for step in steps:
        tool = step.tool_object
        if isinstance(tool, CommandTool):
            needed = Resources(tool.definition.cpus, tool.definition.memory_bytes)
            problem = capacity_of(engine_of(step)).problem(needed)
            problems += [f"step {step.name} cannot run: {problem}"] if problem else []
    if problems:
        raise PlanError(problems)


def limit_warnings(definition: CommandDefinition) -> Iterator[str]:
    """Yield the limits of a program that its environment does not keep on this machine."""
    line = definition.line
    if line is None or (line.memory_bytes is None and line.cpus is None):
        return
    kept = open_environment(definition.environment).limits_kept()
    for sentence in kept.unkept_resources(line.memory_bytes, line.cpus):
        yield f"{definition.name}: {sentence}"
