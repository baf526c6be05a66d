"""The environment native: programs of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.contracts.environment import Command, Mount
from voxome.environments import open_environment
from voxome.environments.call import call
from voxome.environments.native import NativeEnvironment
from voxome.errors import InvalidInput
from voxome.testing import EnvironmentContract


class TestNative(EnvironmentContract):
    has_own_root = False
    limit_s = 0.5

    def open_environment(self):
        return NativeEnvironment()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def command(work: Path, *argv: str, **values) -> Command:
    return Command(argv, str(work), (Mount(str(work), str(work), True),), **values)


@pytest.mark.slow
def test_a_process_that_leaves_its_group_ends_too(work: Path) -> None:
    script = (
        "setsid sh -c 'while :; do echo x >> daemon; sleep 0.05; done' & while ! test -s daemon; do sleep 0.05; done"
    )
    assert call(NativeEnvironment(), command(work, "sh", "-c", script)) == 0
    size = (work / "daemon").stat().st_size
    assert call(NativeEnvironment(), command(work, "sleep", "0.5")) == 0
    assert (work / "daemon").stat().st_size == size


def test_variables_of_this_process_are_passed_by_name(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    environment = open_environment("native?variables=LD_LIBRARY_PATH,NOT_SET")
    assert call(environment, command(work, "sh", "-c", 'test "$LD_LIBRARY_PATH" = /opt/lib')) == 0


def test_graphics_cards_are_those_that_the_caller_may_use(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    script = 'test "${CUDA_VISIBLE_DEVICES-none}" = "$1"'
    assert call(NativeEnvironment(), command(work, "sh", "-c", script, "sh", "3", gpus=1)) == 0
    assert call(NativeEnvironment(), command(work, "sh", "-c", script, "sh", "none")) == 0


def test_images_and_other_paths_are_refused(work: Path) -> None:
    with pytest.raises(InvalidInput, match="has no images, such as 'tool:1'"):
        call(NativeEnvironment(), command(work, "true", image="tool:1"))
    elsewhere = Command(("true",), "/data", (Mount(str(work), "/data", True),))
    with pytest.raises(InvalidInput, match=r"cannot show .*work as /data"):
        call(NativeEnvironment(), elsewhere)


def test_limits_that_are_not_kept_are_named(work: Path) -> None:
    sentences = list(NativeEnvironment().limits_kept().unkept(command(work, "true", memory_bytes=5, cpus=2.0)))
    assert [one.partition(";")[0] for one in sentences] == [
        "Not kept: memory of at most 5 bytes (ramMax)",
        "Not kept: at most 2 cores (coresMax)",
        "Not kept: no network",
        "Not kept: no files but its own",
    ]


def test_a_file_that_is_no_program_is_named(work: Path) -> None:
    (work / "tool").write_text("echo without an interpreter")
    with pytest.raises(InvalidInput, match="cannot be executed"):
        call(NativeEnvironment(), command(work, "./tool"))
    (work / "tool").chmod(0o755)
    with pytest.raises(InvalidInput, match=r"Cannot execute .*tool in .*work: Exec format error"):
        call(NativeEnvironment(), command(work, "./tool"))
