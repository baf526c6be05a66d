"""Containers of podman."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

from voxome.contracts.environment import Command, Launch
from voxome.environments.cards import visible_cards
from voxome.environments.containers import ContainerEnvironment, EngineFacts
from voxome.environments.memory_watch import watching_memory
from voxome.environments.programs import output_of

_PID_FILE = "pid"


class PodmanEnvironment(ContainerEnvironment):
    """Runs commands in containers of podman, with or without the rights of root."""

    name = "podman"
    instead = "the environment docker"
    removal = ("rm", "--force", "--volumes", "--time=0")

    def facts(self) -> EngineFacts:
        return _facts(self.program)

    def own_arguments(self, command: Command, scratch: Path) -> Iterator[str]:
        yield f"--pidfile={scratch / _PID_FILE}"
        yield f"--user={os.getuid()}:{os.getgid()}"
        yield "--http-proxy=false"
        if self.facts().is_rootless:
            yield "--userns=keep-id"
        else:
            for group in sorted({*os.getgroups()} - {os.getgid()}):
                yield f"--group-add={group}"

    def card_arguments(self, count: int) -> Iterator[str]:
        for card in visible_cards(count):
            yield f"--device=nvidia.com/gpu={card}"

    def config_digest(self, image: str, id: str) -> str:
        """Return the id: podman's is that of the configuration."""
        return id

    def watching(self, command: Command, launch: Launch) -> AbstractContextManager[Callable[[], bool]]:
        if command.memory_bytes is None or not self.facts().keeps_memory:
            return nullcontext(lambda: False)
        return watching_memory(Path(launch.folder) / _PID_FILE)


@cache
def _facts(program: str) -> EngineFacts:
    host = json.loads(output_of([program, "info", "--format=json"]))["host"]
    controllers = host.get("cgroupControllers") or []
    is_rootless = bool(host["security"]["rootless"])
    limits = not is_rootless or host.get("cgroupVersion") == "v2"
    return EngineFacts(
        architecture=host["arch"],
        cpus=int(host["cpus"]),
        is_rootless=is_rootless,
        keeps_memory=limits and "memory" in controllers,
        keeps_cpus=limits and "cpu" in controllers,
    )
