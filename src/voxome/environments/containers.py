"""Containers of docker and podman."""

from __future__ import annotations

import json
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from voxome.contracts.environment import Command, EndCheck, Launch, LimitsKept
from voxome.environments.container_arguments import (
    LABEL,
    LEAST_CPUS,
    LEAST_MEMORY_BYTES,
    isolation,
    mount_arguments,
    own_mounts,
    own_variables,
    variable_arguments,
)
from voxome.environments.programs import ask, find_program, message_of, output_of
from voxome.errors import EnvironmentFailed, InvalidInput, MemoryLimit, NotFound

_PULL_TIMEOUT_S = 3600.0
_OF_ENGINE = (125, 126, 127)
"""Statuses of the client if the container could not start; those of a command may be the same."""


@dataclass(frozen=True)
class EngineFacts:
    """What an engine of containers says about itself.

    Attributes
    ----------
    architecture : str
        That of images that it can run, such as ``amd64``.
    cpus : int
        Cores of its machine.
    is_rootless : bool
        Whether it runs without the rights of root.
    keeps_memory, keeps_cpus : bool
        Whether it can limit memory and processor time.
    has_user_map : bool
        Whether users of containers are others on the host, unless they are given.
    """

    architecture: str
    cpus: int
    is_rootless: bool
    keeps_memory: bool
    keeps_cpus: bool
    has_user_map: bool = False


class ContainerEnvironment(ABC):
    """Runs commands in containers that see nothing but their mounts, without rights and, by default, a network.

    The entry point of an image is kept, and gets the command as its arguments.
    """

    name: ClassVar[str]
    instead: ClassVar[str]
    removal: ClassVar[tuple[str, ...]]
    """Arguments that end and remove containers at once."""

    @property
    def program(self) -> str:
        """Path of the client."""
        return find_program(self.name, self.instead)

    @abstractmethod
    def facts(self) -> EngineFacts:
        """Return what the engine says about itself.

        Raises
        ------
        InvalidInput
            If it does not answer.
        """

    @abstractmethod
    def own_arguments(self, command: Command, scratch: Path) -> Iterator[str]:
        """Yield arguments that the other engine does not have."""

    @abstractmethod
    def card_arguments(self, count: int) -> Iterator[str]:
        """Yield the arguments for graphics cards."""

    @abstractmethod
    def config_digest(self, image: str, id: str) -> str:
        """Return the digest of the configuration of an image, which has an id of the engine."""

    @abstractmethod
    def watching(self, command: Command, launch: Launch) -> AbstractContextManager[Callable[[], bool]]:
        """Watch whether the memory limit of a container is exceeded, from before its start."""

    def prepare(self, image: str, *, may_pull: bool = False) -> str:
        program, facts = self.program, self.facts()
        form = "{{.Id}}|{{.Os}}|{{.Architecture}}"
        ended = ask([program, "image", "inspect", f"--format={form}", image])
        if ended.returncode and may_pull:
            output_of([program, "pull", "--quiet", image], timeout_s=_PULL_TIMEOUT_S)
            ended = ask([program, "image", "inspect", f"--format={form}", image])
        if ended.returncode:
            raise NotFound(
                f"The image {image} is not among those of {self.name}: {message_of(ended)}; build it with "
                f"`voxome build`, load it with `{self.name} load`, or let it be pulled with --allow-network if the "
                "document names it as dockerPull"
            )
        id, system, architecture = ended.stdout.strip().split("|")
        if (system or "linux") != "linux" or (architecture or facts.architecture) != facts.architecture:
            raise InvalidInput(
                f"The image {image} is for {system}/{architecture}, and {self.name} runs those for "
                f"linux/{facts.architecture}; build it here with `voxome build`, or pull it with `{self.name} pull "
                f"--platform=linux/{facts.architecture} {image}`"
            )
        return self.config_digest(image, f"sha256:{id.removeprefix('sha256:')}")

    def entry_point(self, image: str) -> tuple[str, ...]:
        """Return the program of an image that gets a command as its arguments; empty if it has none."""
        text = output_of([self.program, "image", "inspect", "--format={{json .Config.Entrypoint}}", image])
        return tuple(json.loads(text) or ())

    def launch(self, command: Command, scratch: Path) -> Launch:
        if command.image is None:
            raise InvalidInput(
                f"{command.argv[0]} names no image, and the environment {self.name} runs commands in containers; "
                "give a DockerRequirement, or use the environment native"
            )
        program, facts = self.program, self.facts()
        variables, inherited = variable_arguments({**own_variables(), **command.variables})
        name = f"voxome-{uuid.uuid4().hex}"
        arguments = [program, "run", f"--name={name}", *isolation(), *self.own_arguments(command, scratch)]
        arguments += [f"--label={LABEL}={command.run}"] if command.run else []
        arguments += [] if command.network else ["--network=none"]
        if command.memory_bytes is not None and facts.keeps_memory:
            limit = max(command.memory_bytes, LEAST_MEMORY_BYTES)
            arguments += [f"--memory={limit}", f"--memory-swap={limit}"]
        if command.cpus is not None and facts.keeps_cpus and command.cpus < facts.cpus:
            arguments.append(f"--cpus={max(command.cpus, LEAST_CPUS):.3f}")
        arguments += self.card_arguments(command.gpus) if command.gpus else []
        arguments += [*mount_arguments([*command.mounts, *own_mounts(command, scratch)]), *variables]
        arguments += [f"--workdir={command.folder}", command.image, *command.argv]
        stop = (program, *self.removal, name)
        return Launch(tuple(arguments), {**os.environ, **inherited}, str(scratch), stop)

    @contextmanager
    def observe(self, command: Command, launch: Launch) -> Iterator[EndCheck]:
        with self.watching(command, launch) as has_exceeded:

            def check(status: int, message: str) -> None:
                if command.memory_bytes is not None and has_exceeded():
                    limit = max(command.memory_bytes, LEAST_MEMORY_BYTES)
                    raise MemoryLimit(
                        f"{command.argv[0]} needed more than its memory limit of {limit:,} bytes, and the kernel ended "
                        "it or one of its processes; raise the limit (ramMax), or give it less data at once"
                    )
                if status in _OF_ENGINE:
                    self._check_start(command, launch, status, message)

            yield check

    def limits_kept(self) -> LimitsKept:
        facts = self.facts()
        missing = [
            what for what, kept in (("memory", facts.keeps_memory), ("processor time", facts.keeps_cpus)) if not kept
        ]
        reason = f"{self.name} cannot limit {' and '.join(missing)} on this machine; it needs control groups of its own"
        return LimitsKept(facts.keeps_memory, facts.keeps_cpus, reason=reason if missing else "")

    def passed_variables(self) -> dict[str, str]:
        """Return none: containers see no variable of this process."""
        return {}

    def clear(self, run: str) -> int:
        listed = output_of([self.program, "ps", "--all", "--quiet", "--no-trunc", f"--filter=label={LABEL}={run}"])
        ids = listed.split()
        if ids:
            output_of([self.program, *self.removal, *ids])
        return len(ids)

    def _check_start(self, command: Command, launch: Launch, status: int, message: str) -> None:
        """Raise an error if the container of a command has not started."""
        name = launch.stop[-1]
        ended = ask([self.program, "inspect", "--type=container", "--format={{.State.Status}}", name])
        if ended.returncode == 0 and ended.stdout.strip() not in ("created", "initialized", "configured"):
            return
        lines = [line for line in message.splitlines() if "rror" in line] or message.splitlines()
        reason = lines[-1] if lines else "its message is in the log of the command"
        if status == 127:
            raise InvalidInput(
                f"The program {command.argv[0]!r} is not in the image {command.image}, or what it needs is not: "
                f"{reason}; correct the command, or build an image that has it"
            )
        raise EnvironmentFailed(
            f"{self.name} could not start {command.argv[0]!r} in a container of {command.image} (status {status}): "
            f"{reason}"
        )
