"""``voxome gc``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli.schemas import SCHEMAS

from voxome.cli.values import parse_bytes
from voxome.contracts.formats import RUN
from voxome.records.folder import write_json
from voxome.workflow import garbage
from voxome.workflow.garbage import Garbage

Command = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    part = tmp_path / "run" / ".voxome" / "steps" / "mark-1"
    part.mkdir(parents=True)
    (part / "0").write_bytes(b"x" * 1000)
    (tmp_path / "run" / ".voxome" / "lock").touch()
    write_json(tmp_path / "run" / "run.json", RUN.stamp({"store": None, "started_s": 1.0, "wall_s": 1.0}))
    return part


def test_nothing_is_removed_without_yes(command: Command, data: Path, tmp_path: Path) -> None:
    shown = command("gc", str(tmp_path), "--bytes", "0.5kB")
    assert shown.status == 0
    assert str(data) in shown.out
    assert "Would remove 1 kB, and leave 0 B; add --yes to remove" in shown.err
    assert data.exists()
    removed = command("gc", str(tmp_path), "--bytes", "0.5kB", "--yes", "--json").json
    jsonschema.validate(removed, SCHEMAS["gc"])
    assert removed == {"removed": [str(data)], "freed_bytes": 1000, "left_bytes": 0, "warnings": [], "dry_run": False}
    assert not data.exists()


def test_what_fits_stays(command: Command, data: Path, tmp_path: Path) -> None:
    assert command("gc", str(tmp_path), "--bytes", "1kB", "--yes").err.startswith("Removed 0 B; 1 kB left")
    assert data.exists()


class InUse:
    """Something that is in use, and compared with nothing."""

    nbytes, used_s = 1, 0.0
    __hash__ = None

    def __init__(self, number: int) -> None:
        self.name = f"/cache/{number}"

    def __eq__(self, _: object) -> bool:
        raise AssertionError

    def remove(self) -> bool:
        return self.name.endswith("1")


def test_what_stays_is_found_without_comparing_all(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Garbage((InUse(0), InUse(1), InUse(2)), ())
    monkeypatch.setattr(garbage, "find_garbage", lambda _: found)
    shown = command("gc", "/cache", "--bytes", "0", "--yes", "--json").json
    assert (shown["removed"], shown["freed_bytes"], shown["left_bytes"]) == (["/cache/1"], 1, 2)
    reason = "stays: it is in use, or cannot be locked on this file system"
    assert shown["warnings"] == [f"/cache/0 {reason}", f"/cache/2 {reason}"]


@pytest.mark.parametrize("text", ["ten", "-1", "1XB", "nan", ""])
def test_numbers_of_bytes_are_checked(text: str, command: Command, tmp_path: Path) -> None:
    found = command("gc", str(tmp_path), f"--bytes={text}")
    assert found.status == 2
    assert "expected a number of bytes" in found.err


@pytest.mark.parametrize("digits", [17, 400, 5000])
def test_numbers_of_bytes_are_exact(digits: int) -> None:
    assert parse_bytes("9" * digits) == 10**digits - 1
    assert parse_bytes(f"{'9' * digits}.5kB") == 1000 * 10**digits - 500
