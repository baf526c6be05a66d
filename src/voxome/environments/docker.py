"""Containers of docker."""

from __future__ import annotations

import json
import os
import platform
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from voxome.contracts.environment import Command, Launch
from voxome.environments.cards import visible_cards
from voxome.environments.container_arguments import csv_row
from voxome.environments.containers import ContainerEnvironment, EngineFacts
from voxome.environments.programs import ask, message_of
from voxome.errors import EnvironmentFailed, InvalidInput

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
"""Architectures as the kernel calls them → as images do."""


class DockerEnvironment(ContainerEnvironment):
    """Runs commands in containers of docker."""

    name = "docker"
    instead = "the environment podman"
    removal = ("rm", "--force", "--volumes")

    def facts(self) -> EngineFacts:
        return _parse_facts(_info(self.program))

    def own_arguments(self, command: Command, scratch: Path) -> Iterator[str]:
        facts = self.facts()
        yield "--tmpfs=/run"
        if facts.is_rootless:
            yield "--user=0:0"
            return
        yield f"--user={os.getuid()}:{os.getgid()}"
        if facts.has_user_map:
            yield "--userns=host"
        for group in sorted({*os.getgroups()} - {os.getgid()}):
            yield f"--group-add={group}"

    def card_arguments(self, count: int) -> Iterator[str]:
        cards = csv_row([f"device={','.join(visible_cards(count))}"])
        yield f"--gpus={cards}"

    def config_digest(self, image: str, id: str) -> str:
        """Return the id, or what the manifest names if images are containerd's, whose ids are those of manifests."""
        return _saved_digest(self.program, id) if _has_containerd_images(_info(self.program)) else id

    @contextmanager
    def watching(self, command: Command, launch: Launch) -> Iterator[Callable[[], bool]]:
        name = launch.stop[-1]
        form = "--format={{.State.OOMKilled}}"
        yield lambda: ask([self.program, "inspect", "--type=container", form, name]).stdout.strip() == "true"


@cache
def _info(program: str) -> dict[str, Any]:
    ended = ask([program, "info", "--format={{json .}}"])
    try:
        info: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        info = {}
    if not info.get("OSType"):
        reason = "; ".join(info.get("ServerErrors") or [message_of(ended)])
        raise InvalidInput(
            f"The engine of docker does not answer: {reason}; start it, set DOCKER_HOST, get the right to use "
            "it, or use the environment podman"
        )
    return info


def _parse_facts(info: dict[str, Any]) -> EngineFacts:
    options = " ".join(info.get("SecurityOptions") or [])
    machine = info.get("Architecture") or platform.machine()
    return EngineFacts(
        architecture=_ARCHITECTURES.get(machine, machine),
        cpus=int(info["NCPU"]),
        is_rootless="name=rootless" in options,
        keeps_memory=bool(info.get("MemoryLimit")),
        keeps_cpus=bool(info.get("CpuCfsQuota", info.get("CPUCfsQuota"))),
        has_user_map="name=userns" in options,
    )


def _has_containerd_images(info: dict[str, Any]) -> bool:
    return any("containerd" in str(value) for _, value in info.get("DriverStatus") or [])


@cache
def _saved_digest(program: str, id: str) -> str:
    """Return the digest of the configuration of an image, from its archive: nothing else names it."""
    with Popen([program, "image", "save", id], stdin=DEVNULL, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    if member.name == "manifest.json" and (file := archive.extractfile(member)) is not None:
                        config: str = json.load(file)[0]["Config"]
                        return f"sha256:{Path(config).name.removesuffix('.json')}"
            reason = "its archive has no manifest"
        except (tarfile.TarError, ValueError, LookupError):
            reason = process.stderr.read().decode(errors="replace").strip()
        finally:
            process.kill()
    raise EnvironmentFailed(f"docker cannot say what the configuration of the image {id} is: {reason}")
