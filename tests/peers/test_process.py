"""Servers of the tests end with them, and say why they do not start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from peers.process import is_alive, running

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").close()
time.sleep(600)
"""


def test_a_server_is_stopped_when_the_test_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    pids: list[int] = []

    def fail() -> None:
        with running(command, log=tmp_path / "log", ready=lambda: True) as process:
            pids.append(process.pid)
            assert is_alive(process.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not is_alive(pids[0])


def test_a_server_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUBBORN, str(tmp_path / "started")]
    with running(command, log=tmp_path / "log", ready=(tmp_path / "started").exists, stop_timeout_s=0.1) as process:
        pass
    assert process.returncode == -9


def test_a_server_that_ends_at_once_is_reported_with_its_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no port left')"]
    with (
        pytest.raises(RuntimeError, match="ended with status 1:\nno port left"),
        running(command, log=tmp_path / "log", ready=lambda: False),
    ):
        pass


def test_a_server_that_never_answers_is_reported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        pytest.raises(RuntimeError, match=r"was not ready within 0\.1 s"),
        running(command, log=tmp_path / "log", ready=lambda: False, timeout_s=0.1),
    ):
        pass
