"""Version, help, exit statuses, and how much is printed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from cli.verbs import VERBS

import voxome
from voxome.cli import logs
from voxome.cli.main import app
from voxome.remotes.zarr import chunk_keys

Command = Callable[..., Any]


def test_the_version_is_printed(command: Command) -> None:
    result = command("--version")
    assert (result.status, result.out) == (0, f"voxome {voxome.__version__}\n")


@pytest.mark.parametrize("verb", [[], ["info"], ["score", "graph"]])
def test_h_is_help(command: Command, verb: list[str]) -> None:
    assert command(*verb, "-h").out == command(*verb, "--help").out != ""


def test_help_documents_exit_statuses(command: Command) -> None:
    words = " ".join(command("--help").out.split())
    assert all(part in words for part in ("Exit status", "0 done", "1 an error", "2 wrong usage", "130 interrupted"))


def test_warnings_are_printed_once_and_only_they_are_remembered() -> None:
    once = logs._Once()

    def printed(level: int, text: str) -> bool:
        return bool(once.filter(logging.LogRecord("voxome", level, __file__, 1, "%s", (text,), None)))

    assert [printed(logging.WARNING, text) for text in ("a", "b", "a")] == [True, True, False]
    assert [printed(level, "a") for level in (logging.INFO, logging.DEBUG, logging.INFO)] == [True] * 3
    assert once._printed == {("voxome", "a"), ("voxome", "b")}


@pytest.mark.parametrize(
    ("name", "level", "start"),
    [
        ("voxome.services.export", logging.WARNING, "warning: text"),
        ("voxome.services.export", logging.INFO, "20"),
        ("other", logging.WARNING, "20"),
    ],
)
def test_warnings_have_one_style(name: str, level: int, start: str) -> None:
    record = logging.LogRecord(name, level, __file__, 1, "%s", ("text",), None)
    assert logs._Formatter().format(record).startswith(start)


def test_verbose_prints_the_traceback(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Traceback" not in command("info", "nothing").err
    from voxome.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main(["-v", "info", "nothing"])
    assert ended.value.code == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("Traceback")
    assert stderr.splitlines()[-1].startswith("voxome: nothing does not exist")


@pytest.mark.slow
def test_the_log_level_is_set(command: Command) -> None:
    for line in (
        "--log-level error profiles",
        "profiles --log-level error",
        "--log-level debug profiles --log-level error",
    ):
        logging.getLogger("voxome").setLevel(logging.NOTSET)
        command(*line.split())
        assert logging.getLogger("voxome").level == logging.ERROR
    for line in ("--log-level loud profiles", "profiles --log-level loud"):
        result = command(*line.split())
        assert result.status == 2
        assert "warning" in result.err


@pytest.mark.slow
def test_options_of_the_log_hold_before_and_after_the_verb(command: Command) -> None:
    for line in ("-v profiles", "profiles -v", "profiles --verbose", "-v profiles -v"):
        logging.getLogger("voxome").setLevel(logging.NOTSET)
        command(*line.split())
        assert logging.getLogger("voxome").level == logging.DEBUG
    score = "segmentation --truth no --result no"
    for line in (f"-v score {score}", f"score -v {score}", f"score {score} -v"):
        with pytest.raises(AssertionError, match="Traceback"):
            command(*line.split())
    command("profiles", "-v", "--log-level", "info")
    assert logging.getLogger("voxome").level == logging.INFO
    command("profiles")
    assert logging.getLogger("voxome").level == logging.WARNING


def test_every_verb_takes_the_options_of_the_log() -> None:
    for path, verb in VERBS.items():
        options = {option for one in verb.params for option in one.opts}
        assert {"-v", "--verbose", "--log-level"} <= options, path
    tool = typer.main.get_command(app).commands["tool"]  # type: ignore[attr-defined]
    threshold = tool.get_command(None, "common.threshold")
    assert {"-v", "--log-level"} <= {option for one in threshold.params for option in one.opts}


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


@pytest.mark.slow
def test_a_warning_is_printed_once(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0" / "0").mkdir(parents=True)
    (tmp_path / "0" / "0" / "0").write_bytes(bytes(8))
    array = {"shape": [2, 2, 2], "chunks": [2, 2, 2], "dtype": "|u1", "fill_value": 0, "order": "C", "compressor": None}
    (tmp_path / ".zarray").write_text(json.dumps({"zarr_format": 2, "filters": None, **array}))
    for verb in (("info",), ("transfer", f"zarr://{tmp_path}-copy")):
        monkeypatch.setattr(chunk_keys, "_looked_at", set())  # as in a process of its own
        result = command(verb[0], str(tmp_path), *verb[1:])
        assert result.status == 0
        assert result.err.count("chunks that its metadata cannot reach") == 1
