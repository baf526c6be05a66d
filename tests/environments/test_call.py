"""Calls of commands: what is checked before they start, and what happens to those that supervise them."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL, STDOUT

import pytest
from peers.process import is_alive

from voxome.contracts.environment import Command, Mount
from voxome.environments import supervisors
from voxome.environments.call import call, describe_status
from voxome.environments.native import NativeEnvironment
from voxome.environments.supervision import End
from voxome.errors import EnvironmentFailed, InvalidInput
from voxome.testing.environment import wait_until


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(("sh", "-c", "exit 0"), str(tmp_path), (Mount(str(tmp_path), str(tmp_path), True),))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"argv": ()}, "it names no program"),
        ({"argv": ("a\0b",)}, "has a NUL character"),
        ({"variables": {"A=B": "c"}}, "a variable is called 'A=B'"),
        ({"folder": "work"}, "'work' is not an absolute path"),
        ({"mounts": ()}, "is in none of the folders that it may write: none"),
        ({"memory_bytes": 0}, "its memory limit is 0 bytes"),
        ({"cpus": float("nan")}, "its limit is nan cores"),
        ({"gpus": -1}, "it needs -1 graphics cards"),
    ],
)
def test_an_invalid_command_is_refused(command: Command, values, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call(NativeEnvironment(), replace(command, **values))


def test_two_mounts_at_one_path_are_refused(command: Command, tmp_path: Path) -> None:
    twice = replace(command, mounts=(*command.mounts, Mount("/", f"{tmp_path}/")))
    with pytest.raises(InvalidInput, match="two files or folders would be seen at"):
        call(NativeEnvironment(), twice)


def test_the_signal_that_ended_a_command_is_in_the_status(command: Command) -> None:
    assert call(NativeEnvironment(), replace(command, argv=("sh", "-c", "kill -9 $$"))) == 137


def test_statuses_are_described() -> None:
    assert describe_status(2) == "exited with status 2"
    assert "SIGSEGV" in describe_status(139)
    assert describe_status(255) == "exited with status 255"


def test_a_supervisor_that_is_killed_takes_its_command_along(command: Command, tmp_path: Path) -> None:
    script = "echo $PPID > supervisor.new; mv supervisor.new supervisor; while :; do echo x >> grows; sleep 0.05; done"
    errors: list[Exception] = []

    def run() -> None:
        try:
            call(NativeEnvironment(), replace(command, argv=("sh", "-c", script)))
        except EnvironmentFailed as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until((tmp_path / "supervisor").exists)
    os.kill(int((tmp_path / "supervisor").read_text()), signal.SIGKILL)
    thread.join()
    assert "was killed, and the command with it" in str(errors[0])
    size = (tmp_path / "grows").stat().st_size
    time.sleep(0.3)
    assert (tmp_path / "grows").stat().st_size == size


def test_a_supervisor_runs_one_command_after_the_other(command: Command) -> None:
    parents = replace(command, argv=("sh", "-c", "echo $PPID >> parents"))
    for _ in range(3):
        assert call(NativeEnvironment(), parents) == 0
    pids = {int(pid) for pid in Path(command.folder, "parents").read_text().split()}
    assert len(pids) == 1
    os.kill(*pids, signal.SIGKILL)
    while is_alive(*pids):
        time.sleep(0.01)
    assert call(NativeEnvironment(), parents) == 0
    assert len(set(Path(command.folder, "parents").read_text().split())) == 2


def test_a_supervisor_keeps_no_stream_of_a_command(command: Command) -> None:
    reading, writing = os.pipe()
    assert call(NativeEnvironment(), replace(command, argv=("echo", "one")), stdout=writing) == 0
    os.close(writing)
    with os.fdopen(reading) as stream:
        assert stream.read() == "one\n"  # else it would wait


def test_what_stops_a_command_does_nothing_after_its_end(command: Command) -> None:
    stops: list[Callable[[], None]] = []
    assert call(NativeEnvironment(), command, on_start=stops.append) == 0
    slow = replace(command, argv=("sh", "-c", "sleep 0.3; exit 3"))
    threading.Timer(0.1, stops[0]).start()
    assert call(NativeEnvironment(), slow) == 3


def test_calls_work_after_the_process_that_starts_supervisors_was_killed(command: Command) -> None:
    assert call(NativeEnvironment(), command) == 0
    process = supervisors._SERVER._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert call(NativeEnvironment(), command) == 0
    assert supervisors._SERVER._process is not process


def test_calls_work_in_a_process_that_was_forked(command: Command) -> None:
    assert call(NativeEnvironment(), command) == 0
    server = supervisors._SERVER._process
    child = os.fork()
    if child == 0:
        os._exit(call(NativeEnvironment(), replace(command, argv=("sh", "-c", "exit 7"))))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert call(NativeEnvironment(), command) == 0
    assert supervisors._SERVER._process is server


def test_streams_may_be_nothing_or_the_same(command: Command, tmp_path: Path) -> None:
    both = replace(command, argv=("sh", "-c", "cat; echo out; echo err >&2"))
    with (tmp_path / "both").open("wb") as file:
        assert call(NativeEnvironment(), both, stdin=DEVNULL, stdout=file, stderr=STDOUT) == 0
    assert (tmp_path / "both").read_text() == "out\nerr\n"
    assert call(NativeEnvironment(), both, stdout=DEVNULL, stderr=DEVNULL) == 0


def test_an_interruption_ends_the_command(command: Command, tmp_path: Path) -> None:
    script = "echo x > started; while :; do echo x >> grows; sleep 0.05; done"

    def interrupt() -> None:
        wait_until((tmp_path / "started").exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        call(NativeEnvironment(), replace(command, argv=("sh", "-c", script)))
    thread.join()
    size = (tmp_path / "grows").stat().st_size if (tmp_path / "grows").exists() else 0
    time.sleep(0.3)
    assert size == ((tmp_path / "grows").stat().st_size if (tmp_path / "grows").exists() else 0)


def test_scratch_folders_are_removed(command: Command, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = f'test "$(dirname "$(dirname "$HOME")")" = {scratch} && mkdir "$HOME/locked" && chmod 0 "$HOME/locked"'
    assert call(NativeEnvironment(), replace(command, argv=("sh", "-c", script)), scratch=scratch) == 0
    assert list(scratch.iterdir()) == []


def test_temporary_files_stay_when_the_process_that_starts_commands_is_replaced(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = supervisors._Server()
    (server.folder() / "file").touch()
    send, failures = socket.send_fds, [OSError("too many references")]

    def fail_once(*arguments: object) -> int:
        if failures:
            raise failures.pop()
        return send(*arguments)

    monkeypatch.setattr(socket, "send_fds", fail_once)
    folder = server.folder()
    with server.start([0, 1, 2]):
        time.sleep(0.2)
        assert (server.folder() / "file").exists()
    server.close()
    assert not folder.exists()


def test_the_peak_of_its_memory_is_known(command: Command) -> None:
    ends: list[End] = []
    argv = (sys.executable, "-S", "-c", "x = b'1' * 100_000_000")
    assert call(NativeEnvironment(), replace(command, argv=argv), on_end=ends.append) == 0
    assert [100_000_000 < end.peak_bytes < 200_000_000 for end in ends] == [True]


@pytest.mark.parametrize(
    ("error", "tries"),
    [(OSError(errno.EBADF, "bad file"), 1), (BrokenPipeError("gone"), 4), (ConnectionResetError(), 4)],
)
def test_supervisors_that_cannot_take_a_command_are_not_started_without_end(
    error: OSError, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, left = supervisors._Server(), [error] * 20
    for _ in range(2):
        ours, theirs = socket.socketpair()
        theirs.close()
        server.keep(ours)

    def fail(_: socket.socket, __: object, files: Sequence[int]) -> int:
        if len(files) == 3:
            raise left.pop()
        return 1

    monkeypatch.setattr(socket, "send_fds", fail)
    with pytest.raises(EnvironmentFailed, match="Cannot give a command to the process that supervises it"):
        server.start([0, 1, 2])
    assert len(left) == 20 - tries
    server.close()
