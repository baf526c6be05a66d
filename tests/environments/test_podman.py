"""The environment podman: containers of real podman, from images that were made without a registry."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from peers.podman import IMAGE, Podman
from peers.python_root import python_root

from voxome.contracts.environment import Command, Mount
from voxome.environments.call import call
from voxome.environments.podman import PodmanEnvironment
from voxome.errors import EnvironmentFailed, InvalidInput, MemoryLimit, NotFound
from voxome.testing import EnvironmentContract
from voxome.testing.environment import wait_until

pytestmark = pytest.mark.slow
_GREEDY = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
_PYTHON = """
import getpass, os, pwd, tempfile
pwd.getpwuid(os.getuid())
getpass.getuser()
tempfile.mkstemp()
open(os.path.expanduser("~/x"), "w").close()
open("/var/tmp/x", "w").close()
open("/dev/shm/x", "w").close()
"""
"""What libraries take for granted when they are imported, or when they keep files in caches."""


@pytest.fixture(autouse=True)
def _configured(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, podman.environment[name])


@pytest.fixture
def environment() -> PodmanEnvironment:
    return PodmanEnvironment()


@pytest.fixture
def build(podman: Podman, environment: PodmanEnvironment) -> Callable[..., str]:
    """Function that builds an image of lines of a Dockerfile on that of busybox, and returns its id."""

    def build(name: str, *lines: str) -> str:
        podman("build", "--quiet", f"--tag={name}", "-", stdin="\n".join([f"FROM {IMAGE}", *lines]).encode())
        return environment.prepare(name)

    return build


@pytest.fixture
def run(environment: PodmanEnvironment, tmp_path: Path) -> Callable[..., int]:
    """Function that runs a script of the shell in the folder ``work``."""
    work = tmp_path / "work"
    work.mkdir()

    def run(*argv: str, image: str = "", limit_s: float = 60.0, **values) -> int:
        mounts = (Mount(str(work), "/work", True),)
        command = Command(argv, "/work", mounts, image=image or environment.prepare(IMAGE), **values)
        with (tmp_path / "log").open("ab") as log:
            return call(environment, command, stdout=log, stderr=log, limit_s=limit_s)

    return run


class TestPodman(EnvironmentContract):
    def open_environment(self):
        return PodmanEnvironment()

    @pytest.fixture
    def image(self):
        return IMAGE


def test_the_id_of_an_image_is_the_digest_of_its_configuration(environment: PodmanEnvironment, podman: Podman) -> None:
    digest = environment.prepare(IMAGE)
    assert digest.startswith("sha256:")
    assert environment.prepare(digest) == digest
    manifest = podman("image", "inspect", "--format={{.Digest}}", IMAGE).strip()
    assert digest != manifest


def test_an_image_that_is_not_there_is_named_with_what_helps(environment: PodmanEnvironment) -> None:
    with pytest.raises(NotFound, match=r"The image localhost/none:1 .*`voxome build`.*--allow-network"):
        environment.prepare("localhost/none:1")


def test_a_pull_that_is_allowed_and_fails_is_an_error(environment: PodmanEnvironment) -> None:
    with pytest.raises(EnvironmentFailed, match="podman pull --quiet ended with status"):
        environment.prepare("127.0.0.1:1/none:1", may_pull=True)


def test_an_image_of_another_architecture_is_refused(environment: PodmanEnvironment, podman: Podman) -> None:
    podman("build", "--quiet", "--arch=s390x", "--tag=localhost/foreign:1", "-", stdin=b"FROM scratch\nLABEL a=b\n")
    with pytest.raises(InvalidInput, match=r"is for linux/s390x.*build it here"):
        environment.prepare("localhost/foreign:1")


def test_the_entry_point_of_an_image_is_kept(
    build: Callable[..., str], run: Callable[..., int], tmp_path: Path
) -> None:
    image = build("localhost/entry:1", 'ENTRYPOINT ["echo", "entry"]', "WORKDIR /elsewhere")
    assert run("argument", image=image) == 0
    assert (tmp_path / "log").read_text() == "entry argument\n"


def test_outputs_of_an_image_with_another_user_belong_to_the_caller(
    build: Callable[..., str], run: Callable[..., int], tmp_path: Path
) -> None:
    image = build("localhost/user:1", "USER 5001")
    assert run("sh", "-c", 'echo x > file; echo x > "$HOME/file"; id -u', image=image) == 0
    assert (tmp_path / "work" / "file").owner() == Path.home().owner()


def test_a_command_has_no_rights(run: Callable[..., int], tmp_path: Path) -> None:
    script = (
        "while read -r name value; do case $name in Cap*|NoNew*) echo $name $value;; esac; done < /proc/self/status"
    )
    assert run("sh", "-c", script) == 0
    rows = dict(line.split() for line in (tmp_path / "log").read_text().splitlines())
    assert {rows[name] for name in ("CapInh:", "CapPrm:", "CapEff:", "CapBnd:")} == {"0" * 16}
    assert rows["NoNewPrivs:"] == "1"


def test_python_finds_its_user_home_and_folders(podman: Podman, environment: PodmanEnvironment, run) -> None:
    podman("import", "-", "localhost/python:1", stdin=python_root())
    assert run("python3", "-c", _PYTHON, image=environment.prepare("localhost/python:1")) == 0


def test_a_command_that_exceeds_its_memory_is_named_with_the_limit(run: Callable[..., int]) -> None:
    with pytest.raises(MemoryLimit, match="sh needed more than its memory limit of 67,108,864 bytes"):
        run("sh", "-c", _GREEDY, memory_bytes=64 << 20)


def test_a_command_whose_child_exceeds_the_memory_has_failed(run: Callable[..., int]) -> None:
    with pytest.raises(MemoryLimit, match="it or one of its processes"):
        run("sh", "-c", f"({_GREEDY}); exit 0", memory_bytes=64 << 20)


def test_a_command_that_is_killed_within_its_memory_is_not_out_of_memory(run: Callable[..., int]) -> None:
    assert run("sh", "-c", "sh -c 'kill -9 $$'; exit $?", memory_bytes=64 << 20) == 137


def test_a_limit_below_the_least_of_engines_is_raised(run: Callable[..., int]) -> None:
    assert run("sh", "-c", "exit 3", memory_bytes=1 << 20, cpus=0.5) == 3


def test_a_full_disk_inside_is_an_error_of_the_command(run: Callable[..., int], tmp_path: Path) -> None:
    assert run("dd", "if=/dev/zero", "of=/dev/shm/file", "bs=1M", "count=100") == 1
    assert "No space left on device" in (tmp_path / "log").read_text()


def test_a_container_that_is_killed_is_reported_as_killed(
    podman: Podman, run: Callable[..., int], tmp_path: Path
) -> None:
    statuses: list[int] = []
    thread = threading.Thread(
        target=lambda: statuses.append(run("sh", "-c", "echo x > started; sleep 600", run="kill"))
    )
    thread.start()
    wait_until((tmp_path / "work" / "started").exists)
    podman("kill", podman("ps", "--quiet", "--filter=label=org.voxome.run=kill").strip())
    thread.join()
    assert statuses == [137]
    assert podman("ps", "--all", "--quiet", "--filter=label=org.voxome.run=kill") == ""


def test_a_container_whose_client_is_killed_is_ended_too(
    podman: Podman, run: Callable[..., int], tmp_path: Path
) -> None:
    errors: list[str] = []

    def start() -> None:
        with pytest.raises(EnvironmentFailed) as caught:
            run("sh", "-c", "echo x > started; while :; do echo x >> grows; sleep 0.05; done", run="client")
        errors.append(str(caught.value))

    thread = threading.Thread(target=start)
    thread.start()
    wait_until((tmp_path / "work" / "started").exists)
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        words = process.read_bytes().split(b"\0") if process.exists() else []
        if b"--label=org.voxome.run=client" in words and b"run" in words[:2]:
            os.kill(int(process.parent.name), signal.SIGKILL)
    thread.join()
    assert "podman was killed by signal 9 while sh ran; its container was ended and removed" in errors[0]
    assert podman("ps", "--all", "--quiet", "--filter=label=org.voxome.run=client") == ""


def test_containers_of_a_killed_runner_are_removed_by_the_next(podman: Podman, environment: PodmanEnvironment) -> None:
    for run in ("mine", "mine", "other"):
        podman("run", "--detach", f"--label=org.voxome.run={run}", IMAGE, "sleep", "600")
    assert environment.clear("mine") == 2
    assert environment.clear("mine") == 0
    assert environment.clear("other") == 1


def test_a_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch, environment: PodmanEnvironment) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InvalidInput, match="needs the program podman, which is not on the path; install it"):
        environment.prepare(IMAGE)


def test_a_container_that_cannot_start_says_why(run: Callable[..., int], environment: PodmanEnvironment) -> None:
    with pytest.raises(EnvironmentFailed, match=r"podman could not start 'sh' .*nvidia.com/gpu=0"):
        run("sh", "-c", "exit 0", gpus=1)


def test_values_of_variables_are_not_in_the_list_of_processes(environment: PodmanEnvironment, tmp_path: Path) -> None:
    for one in ("home", "tmp"):
        (tmp_path / one).mkdir()
    mounts = (Mount(str(tmp_path), "/work", True),)
    command = Command(("sh",), "/work", mounts, {"TOKEN": "canary"}, environment.prepare(IMAGE))
    launch = environment.launch(command, tmp_path)
    assert "canary" not in " ".join(launch.arguments)
    assert launch.variables["TOKEN"] == "canary"
