"""The environment docker: the real client, with the service of podman, which has docker's API.

With VOXOME_TEST_DOCKER, the address of an engine of docker, it is that engine which is tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.podman import IMAGE, Podman, busybox_root
from peers.process import running, succeeds

from voxome.contracts.environment import Command, Mount
from voxome.environments import docker
from voxome.environments.call import call
from voxome.environments.docker import DockerEnvironment
from voxome.errors import InvalidInput, MemoryLimit, NotFound
from voxome.testing import EnvironmentContract

pytestmark = pytest.mark.slow
_REAL = os.environ.get("VOXOME_TEST_DOCKER", "")
"""Address of an engine of docker; its images are added to."""


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("docker") is None:
        pytest.skip("the client of docker is not installed; podman runs the same arguments")
    if _REAL:
        environment = {**os.environ, "DOCKER_HOST": _REAL}
        subprocess.run(["docker", "import", "-", IMAGE], input=busybox_root(), env=environment, check=True)
        yield _REAL
        return
    podman: Podman = request.getfixturevalue("podman")
    folder = tmp_path_factory.mktemp("docker")
    socket = f"unix://{folder}/socket"
    client = {**os.environ, "DOCKER_HOST": socket}
    with running(
        [podman.command, "system", "service", "--time=0", socket],
        log=folder / "log",
        ready=lambda: succeeds("docker", "version", environment=client),
        environment=podman.environment,
    ):
        yield socket


@pytest.fixture(autouse=True)
def _addressed(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DOCKER_HOST", address)
    docker._info.cache_clear()
    yield
    docker._info.cache_clear()


def _needs_docker() -> None:
    if not _REAL:
        pytest.skip("the service of podman differs here from an engine of docker: set VOXOME_TEST_DOCKER")


class TestDocker(EnvironmentContract):
    def open_environment(self):
        return DockerEnvironment()

    @pytest.fixture
    def image(self):
        return IMAGE

    def test_a_missing_program_is_named(self, environment, shell):
        _needs_docker()
        super().test_a_missing_program_is_named(environment, shell)

    def test_an_input_with_any_name_is_read(self, shell, output, tmp_path):
        _needs_docker()
        super().test_an_input_with_any_name_is_read(shell, output, tmp_path)


def command(folder: Path, script: str, **values) -> Command:
    image = DockerEnvironment().prepare(IMAGE)
    return Command(("sh", "-c", script), "/work", (Mount(str(folder), "/work", True),), image=image, **values)


def test_ids_of_images_are_those_of_podman(podman: Podman) -> None:
    if _REAL:
        archive = subprocess.run(["docker", "save", IMAGE], capture_output=True, check=True).stdout
        podman("load", stdin=archive)
    id = podman("image", "inspect", "--format={{.Id}}", IMAGE).strip()
    assert DockerEnvironment().prepare(IMAGE) == f"sha256:{id}"


def test_ids_of_images_of_containerd_are_read_from_their_archives() -> None:
    digest = DockerEnvironment().prepare(IMAGE)
    assert docker._saved_digest(DockerEnvironment().program, IMAGE) == digest


def test_an_image_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match=r"The image localhost/none:1 is not among those of docker"):
        DockerEnvironment().prepare("localhost/none:1")


def test_an_engine_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    docker._info.cache_clear()
    with pytest.raises(InvalidInput, match=r"The engine of docker does not answer: .*nobody.*; start it"):
        DockerEnvironment().prepare(IMAGE)


@pytest.mark.parametrize("script", ["{}", "({}); exit 0"])
def test_a_command_that_exceeds_its_memory_is_named_with_the_limit(tmp_path: Path, script: str) -> None:
    _needs_docker()
    greedy = command(tmp_path, script.format("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"), memory_bytes=64 << 20)
    with pytest.raises(MemoryLimit, match="memory limit of 67,108,864 bytes"):
        call(DockerEnvironment(), greedy)
