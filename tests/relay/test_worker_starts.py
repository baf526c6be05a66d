"""Processes of a relay that cannot be started for a moment, or are to stop before they serve."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from voxome.errors import StoreError
from voxome.relay import workers
from voxome.relay.config import RelayConfig
from voxome.relay.opening import SharedConfig

SHARED = SharedConfig(RelayConfig(workers=2), "instance")


class Process:
    """A process that is there until it is terminated."""

    pid, exitcode = 1, -9

    def __init__(self) -> None:
        self.lives = True

    def is_alive(self) -> bool:
        return self.lives

    def terminate(self) -> None:
        self.lives = False

    def join(self, timeout: float | None = None) -> None:
        """Return at once."""


class Starts:
    """Starts of workers, of which some fail."""

    def __init__(self, *errors: Exception | None, serves: bool = True) -> None:
        self.errors, self.serves = list(errors), serves
        self.made: list[Any] = []

    def worker(self) -> type:
        starts = self

        class Worker(workers._Worker):
            def __init__(self, *arguments: object) -> None:
                error = starts.errors.pop(0) if starts.errors else None
                if error is not None:
                    raise error
                self.pipe, self.child = multiprocessing.Pipe()
                self.process: Any = Process()
                self.started = time.monotonic()
                starts.made.append(self)
                if starts.serves:
                    self.child.send("serving")

        return Worker


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(workers, "_LOOK_S", 0.02)
    monkeypatch.setattr(workers, "_RESTART_S", 0.02)
    before = [(one, signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM)]
    yield
    for one, handler in before:
        signal.signal(one, handler)


def run(starts: Starts, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> list[str]:
    """Run workers until SIGTERM, which is sent after `meanwhile`; return what was announced."""
    announced: list[str] = []
    monkeypatch.setattr(workers, "_Worker", starts.worker())

    def act() -> None:
        try:
            meanwhile()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    actor = threading.Thread(target=act)
    with socket.socket() as listener:
        signal.signal(signal.SIGTERM, lambda *_: None)
        actor.start()
        try:
            workers.run_workers(SHARED, listener, lambda: announced.append("started"))
        finally:
            actor.join()
    return announced


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not reached() and time.monotonic() < end:
        time.sleep(0.01)


def test_a_process_that_cannot_be_replaced_for_a_moment_does_not_end_the_relay(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starts = Starts(None, None, BlockingIOError(11, "Resource temporarily unavailable"), MemoryError())

    def kill() -> None:
        wait_until(lambda: len(starts.made) == 2)
        starts.made[0].process.lives = False
        wait_until(lambda: len(starts.made) == 3)
        assert starts.made[1].process.lives

    assert run(starts, monkeypatch, kill) == ["started"]
    assert len(starts.made) == 3
    assert not any(worker.process.lives for worker in starts.made)
    assert "Resource temporarily unavailable" in caplog.text


def test_a_relay_stops_on_request_before_all_processes_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(serves=False)
    assert run(starts, monkeypatch, lambda: wait_until(lambda: len(starts.made) == 2)) == []
    assert not any(worker.process.lives for worker in starts.made)


def test_processes_end_if_not_all_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(None, BlockingIOError(11, "Resource temporarily unavailable"))
    with pytest.raises(BlockingIOError):
        run(starts, monkeypatch, lambda: None)
    assert not starts.made[0].process.lives


def test_a_process_that_ends_before_it_serves_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(serves=False)

    def end() -> None:
        wait_until(lambda: len(starts.made) == 2)
        starts.made[0].child.close()
        wait_until(lambda: not any(worker.process.lives for worker in starts.made))

    with pytest.raises(StoreError, match="could not start"):
        run(starts, monkeypatch, end)
