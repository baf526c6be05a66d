"""Version, help, exit statuses, and how much is printed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import voxome

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def _restored_logs() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("voxome")
    before = (list(root.handlers), root.level, own.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])


def test_the_version_is_printed(command: Command) -> None:
    result = command("--version")
    assert (result.status, result.out) == (0, f"voxome {voxome.__version__}\n")


@pytest.mark.parametrize("verb", [[], ["info"], ["score", "graph"]])
def test_h_is_help(command: Command, verb: list[str]) -> None:
    assert command(*verb, "-h").out == command(*verb, "--help").out != ""


def test_help_documents_exit_statuses(command: Command) -> None:
    words = " ".join(command("--help").out.split())
    assert all(part in words for part in ("Exit status", "0 done", "1 an error", "2 wrong usage", "130 interrupted"))


def test_verbose_prints_the_traceback(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Traceback" not in command("info", "nothing").err
    from voxome.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main(["-v", "info", "nothing"])
    assert ended.value.code == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("Traceback")
    assert stderr.splitlines()[-1].startswith("voxome: nothing does not exist")


def test_the_log_level_is_set(command: Command) -> None:
    command("--log-level", "error", "profiles")
    assert logging.getLogger("voxome").level == logging.ERROR
    result = command("--log-level", "loud", "profiles")
    assert result.status == 2
    assert "warning" in result.err


@pytest.mark.parametrize("name", ["voxome.remotes", "urllib3.connectionpool"])
def test_no_secrets_are_logged(command: Command, capsys: pytest.CaptureFixture[str], name: str) -> None:
    command("-v", "profiles")
    try:
        raise OSError("https://me:hunter2@host/x")
    except OSError:
        logging.getLogger(name).exception("GET %s", "https://me:hunter2@host/x?token=hunter2")
    (handler,) = (one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler)
    record = logging.LogRecord(name, logging.INFO, "", 0, "GET %s", ("https://me:hunter2@host/x?token=hunter2",), None)
    assert handler.format(record).endswith(f"INFO {name}: GET https://host/x?token=***")
    assert "hunter2" not in capsys.readouterr().err
