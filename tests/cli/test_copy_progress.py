"""How far a copy is."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

import pytest

from voxome.cli import copy_progress
from voxome.cli.copy_progress import block_progress


class Terminal(io.StringIO):
    """What takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reported at once, and repeatedly."""
    monkeypatch.setattr(copy_progress, "LINE_EVERY_S", 0.0)
    monkeypatch.setattr(copy_progress, "_QUIET_S", 0.0)
    return monkeypatch


@pytest.mark.usefixtures("impatient")
def test_lines_have_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    for size, unit in ((4_000_000, "B/s"), (None, "parts/s")):
        with block_progress("out.npy", size, "parts") as progress:
            time.sleep(0.01)
            progress(1, 4)
            progress(4, 4)
        result = capsys.readouterr()
        assert result.out == ""
        (line,) = result.err.splitlines()
        assert line.startswith("out.npy: 1 of 4 parts, ")
        assert f"{unit}, " in line
        assert line.endswith(" s left")
        assert "\x1b" not in line


def test_quick_work_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with block_progress("out.npy", 100) as progress:
        progress(1, 2)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_bar_on_a_terminal_shows_before_anything_is_done(impatient: Any) -> None:
    terminal = Terminal()
    impatient.setattr(sys, "stderr", terminal)
    impatient.setenv("COLUMNS", "100")
    impatient.setenv("TERM", "xterm")
    with block_progress("out.npy", 4_000_000) as progress:
        while "out.npy" not in terminal.getvalue():
            time.sleep(0.05)
        progress(1, 4)
        while not ("1/4 blocks" in terminal.getvalue() and "MB/s" in terminal.getvalue()):
            time.sleep(0.05)
