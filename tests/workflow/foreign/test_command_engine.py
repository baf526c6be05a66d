"""Commands as jobs of the process of the run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from peers.process import is_alive

from voxome.contracts.engine import Job, JobStatus, Resources
from voxome.contracts.environment import Command, Mount
from voxome.workflow.foreign import command_engine
from voxome.workflow.foreign.command_engine import CommandEngine
from voxome.workflow.foreign.task import EXIT_STATUS

TIMEOUT_S = 60.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[CommandEngine]:
    engine = CommandEngine(workers=2, log=tmp_path / "log", memory_bytes=1000)
    yield engine
    engine.close()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """Function that returns a job of a shell script."""

    def of(name: str, script: str, memory_bytes: int | None = None) -> Job:
        command = Command(("sh", "-c", script), str(tmp_path), (Mount(str(tmp_path), str(tmp_path), True),))
        payload = {
            "environment": "native", "command": command.to_json(), "stdin": None, "stdout": None, "stderr": None,
            "log": str(tmp_path / f"{name}.log"), "limit_s": None,
        }  # fmt: skip
        return Job(name, "command", payload, Resources(memory_bytes=memory_bytes))

    return of


def collect(engine: CommandEngine, count: int) -> dict[str, JobStatus]:
    statuses: dict[str, JobStatus] = {}
    deadline = time.monotonic() + TIMEOUT_S
    while len(statuses) < count:
        assert time.monotonic() < deadline
        statuses |= {status.id: status for status in engine.wait(1.0)}
    return statuses


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + TIMEOUT_S
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


def test_commands_end_with_their_exit_statuses(engine: CommandEngine, job: Callable[..., Job]) -> None:
    engine.submit([job(str(number), f"exit {number}") for number in range(5)])
    statuses = collect(engine, 5)
    assert {name: one.result and one.result.counts[EXIT_STATUS] for name, one in statuses.items()} == {
        str(number): number for number in range(5)
    }
    assert list(engine.wait(0.0)) == []


def test_a_command_that_cannot_start_has_failed(engine: CommandEngine, job: Callable[..., Job]) -> None:
    one = job("one", "")
    one.payload["command"]["argv"][0] = "no-such-program"
    engine.submit([one])
    status = collect(engine, 1)["one"]
    assert (status.state, status.retryable) == ("failed", False)
    assert "no-such-program" in status.error


class Unshown(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("error", [SystemExit(3), Unshown(), KeyboardInterrupt()])
def test_a_command_has_failed_whatever_ends_its_thread(
    error: BaseException, engine: CommandEngine, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(command_engine, "run_command", fail)
    engine.submit([job("one", "")])
    (status,) = engine.wait(10.0)
    assert (status.id, status.state, status.result) == ("one", "failed", None)
    assert status.error_type in status.error


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_running_commands_are_ended_with_all_their_processes(
    how: str, engine: CommandEngine, job: Callable[..., Job], tmp_path: Path
) -> None:
    names = ["a", "b", "c"]
    engine.submit([job(name, f"sleep 600 & echo $! > {tmp_path}/{name}; wait") for name in names])
    pids = [int(wait_for(tmp_path / name)) for name in names[:2]]
    if how == "cancel":
        engine.cancel(names)
    engine.close()
    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "c").exists()
    assert list(engine.wait(0.0)) == []


def test_slots_of_cancelled_commands_are_free(engine: CommandEngine, job: Callable[..., Job], tmp_path: Path) -> None:
    engine.submit([job(name, f"echo > {tmp_path}/{name}; sleep 600") for name in "ab"])
    for name in "ab":
        wait_for(tmp_path / name)
    engine.cancel(["a", "b"])
    engine.submit([job("next", "exit 0")])
    assert set(collect(engine, 1)) == {"next"}


def test_commands_that_need_much_memory_do_not_run_beside_each_other(
    engine: CommandEngine, job: Callable[..., Job], tmp_path: Path
) -> None:
    lock = f"mkdir {tmp_path}/lock && sleep 0.2 && rmdir {tmp_path}/lock"
    engine.submit([job(str(number), lock, memory_bytes=600) for number in range(4)])
    statuses = collect(engine, 4)
    assert {one.result and one.result.counts[EXIT_STATUS] for one in statuses.values()} == {0}


def test_the_time_of_commands_is_that_of_this_process(engine: CommandEngine, job: Callable[..., Job]) -> None:
    from voxome.environments.supervisors import _SERVER

    before = os.times()
    engine.submit([job("one", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done")])
    collect(engine, 1)
    _SERVER.close()
    assert os.times().children_user - before.children_user > 0.02


def test_the_log_takes_names_of_files_that_are_no_text(
    engine: CommandEngine, job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("cannot read a\udcff.tif")

    monkeypatch.setattr(command_engine, "run_command", fail)
    engine.submit([job("one", "")])
    assert [one.error_type for one in engine.wait(10.0)] == ["OSError"]
    assert r"OSError: cannot read a\udcff.tif" in (tmp_path / "log").read_text()
