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
    """Told at once, and again and again."""
    monkeypatch.setattr(copy_progress, "LINE_EVERY_S", 0.0)
    monkeypatch.setattr(copy_progress, "_QUIET_S", 0.0)
    return monkeypatch


@pytest.mark.usefixtures("impatient")
def test_lines_have_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    for size, unit in ((4_000_000, "B/s"), (None, "pieces/s")):
        with block_progress("out.npy", size, "pieces") as told:
            time.sleep(0.01)
            told(1, 4)
            told(4, 4)
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = said.err.splitlines()
        assert line.startswith("out.npy: 1 of 4 pieces, ")
        assert f"{unit}, " in line
        assert line.endswith(" s left")
        assert "\x1b" not in line


def test_quick_work_is_not_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with block_progress("out.npy", 100) as told:
        told(1, 2)
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal_shows_before_anything_is_done(impatient: Any) -> None:
    terminal = Terminal()
    impatient.setattr(sys, "stderr", terminal)
    impatient.setenv("COLUMNS", "100")
    impatient.setenv("TERM", "xterm")
    with block_progress("out.npy", 4_000_000) as told:
        time.sleep(0.3)
        assert "out.npy" in terminal.getvalue()
        told(1, 4)
        time.sleep(0.3)
        assert "1/4 blocks" in terminal.getvalue()
        assert "MB/s" in terminal.getvalue()
