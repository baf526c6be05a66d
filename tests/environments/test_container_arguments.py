"""Arguments that docker and podman have in common."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voxome.contracts.environment import Command, Mount
from voxome.environments.container_arguments import HOME, mount_arguments, own_mounts, own_variables, variable_arguments
from voxome.environments.containers import EngineFacts
from voxome.environments.docker import DockerEnvironment, _has_containerd_images, _parse_facts
from voxome.environments.podman import PodmanEnvironment
from voxome.errors import InvalidInput

IMAGE = f"sha256:{'0' * 64}"
FACTS = EngineFacts("amd64", 8, False, True, True)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that stand for docker and podman."""
    (tmp_path / "bin").mkdir()
    for name in ("docker", "podman"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def arguments(
    kind: type[DockerEnvironment | PodmanEnvironment], scratch: Path, facts: EngineFacts = FACTS, **values
) -> list[str]:
    """Return the options of a container, without its mounts."""
    environment = kind()
    environment.facts = lambda: facts
    command = Command(("tool",), "/work", (Mount(str(scratch), "/work", True),), image=IMAGE, **values)
    options = environment.launch(command, scratch).arguments
    assert options[-2:] == (IMAGE, "tool")
    return [one for one in options[2:-2] if not one.startswith("--mount=")]


@pytest.mark.parametrize("kind", [DockerEnvironment, PodmanEnvironment])
@pytest.mark.usefixtures("client")
def test_both_engines_isolate_a_command_in_the_same_way(kind, scratch: Path) -> None:
    assert {
        "--cap-drop=all",
        "--network=none",
        "--pull=never",
        "--read-only",
        "--security-opt=no-new-privileges",
        f"--user={os.getuid()}:{os.getgid()}",
        "--workdir=/work",
    } <= set(arguments(kind, scratch))
    assert "--network=none" not in arguments(kind, scratch, network=True)
    assert "--label=org.voxome.run=r1" in arguments(kind, scratch, run="r1")


@pytest.mark.parametrize("kind", [DockerEnvironment, PodmanEnvironment])
@pytest.mark.usefixtures("client")
def test_limits_are_those_that_are_declared_and_kept(kind, scratch: Path) -> None:
    def limits(facts: EngineFacts = FACTS, **values) -> list[str]:
        return [one for one in arguments(kind, scratch, facts, **values) if one.startswith(("--memory", "--cpus"))]

    assert limits() == []
    assert limits(memory_bytes=1 << 30) == ["--memory=1073741824", "--memory-swap=1073741824"]
    assert limits(memory_bytes=1) == ["--memory=6291456", "--memory-swap=6291456"]
    assert limits(cpus=1.5) == ["--cpus=1.500"]
    assert limits(cpus=0.0001) == ["--cpus=0.010"]
    assert limits(cpus=64) == [], "more cores than there are is no limit, and docker refuses it"
    weak = EngineFacts("amd64", 8, True, False, False)
    assert limits(weak, memory_bytes=1 << 30, cpus=1.5) == []


@pytest.mark.usefixtures("client")
def test_rootless_engines_map_their_user_to_the_caller(scratch: Path) -> None:
    rootless = EngineFacts("amd64", 8, True, True, True)
    assert "--userns=keep-id" in arguments(PodmanEnvironment, scratch, rootless)
    assert "--userns=keep-id" not in arguments(PodmanEnvironment, scratch)
    assert "--user=0:0" in arguments(DockerEnvironment, scratch, rootless)
    mapped = EngineFacts("amd64", 8, False, True, True, has_user_map=True)
    assert "--userns=host" in arguments(DockerEnvironment, scratch, mapped)


@pytest.mark.usefixtures("client")
def test_graphics_cards_are_those_that_the_caller_may_use(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    assert '--gpus="device=3,5"' in arguments(DockerEnvironment, scratch, gpus=2)
    assert [one for one in arguments(PodmanEnvironment, scratch, gpus=2) if "nvidia" in one] == [
        "--device=nvidia.com/gpu=3",
        "--device=nvidia.com/gpu=5",
    ]
    with pytest.raises(InvalidInput, match="needs 4 graphics cards, and CUDA_VISIBLE_DEVICES is '3,5,7'"):
        arguments(DockerEnvironment, scratch, gpus=4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "--gpus=device=0" in arguments(DockerEnvironment, scratch, gpus=1)


def test_facts_of_docker_are_read(tmp_path: Path) -> None:
    info = {"NCPU": 4, "Architecture": "aarch64", "MemoryLimit": True, "CpuCfsQuota": False, "SecurityOptions": None}
    assert _parse_facts(info) == EngineFacts("arm64", 4, False, True, False)
    options = ["name=seccomp,profile=builtin", "name=rootless", "name=userns"]
    assert _parse_facts({**info, "SecurityOptions": options}) == EngineFacts("arm64", 4, True, True, False, True)
    assert _has_containerd_images({"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]})
    assert not _has_containerd_images({"DriverStatus": [["Backing Filesystem", "extfs"]]})


def test_limits_that_are_not_kept_have_a_reason() -> None:
    environment = PodmanEnvironment()
    environment.facts = lambda: EngineFacts("amd64", 8, True, False, False)
    kept = environment.limits_kept()
    command = Command(("tool",), "/work", memory_bytes=1, cpus=1.0)
    reason = "podman cannot limit memory and processor time on this machine; it needs control groups of its own"
    assert list(kept.unkept(command)) == [
        f"Not kept: memory of at most 1 bytes (ramMax); {reason}",
        f"Not kept: at most 1 cores (coresMax); {reason}",
    ]
    environment.facts = lambda: FACTS
    assert list(environment.limits_kept().unkept(command)) == []


def test_inner_mounts_come_after_those_that_contain_them() -> None:
    mounts = [Mount("/a", "/data/in"), Mount("/b", "/data", True), Mount("/c", "/data-2")]
    assert list(mount_arguments(mounts)) == [
        "--mount=type=bind,source=/b,target=/data",
        "--mount=type=bind,source=/a,target=/data/in,readonly",
        "--mount=type=bind,source=/c,target=/data-2,readonly",
    ]


def test_mounts_of_a_command_replace_those_of_the_environment(scratch: Path) -> None:
    command = Command(("tool",), "/tmp", (Mount("/a", "/tmp", True),))
    assert {one.target for one in own_mounts(command, scratch)} == {HOME, "/var/tmp", "/etc/passwd", "/etc/group"}
    user = own_variables()["USER"]
    assert f"{user}:x:{os.getuid()}:{os.getgid()}::{HOME}:" in (scratch / "passwd").read_text()


def test_values_that_the_client_would_use_itself_are_passed_by_value() -> None:
    names = ["TOKEN", "HOME", "DOCKER_HOST", "LD_PRELOAD", "https_proxy", "GODEBUG", "PATH", "PATHS", "GOOGLE_KEY"]
    arguments, inherited = variable_arguments(dict.fromkeys(names, "x"))
    assert set(inherited) == {"TOKEN", "PATHS", "GOOGLE_KEY"}
    assert "--env=TOKEN" in arguments
    assert "--env=DOCKER_HOST=x" in arguments
