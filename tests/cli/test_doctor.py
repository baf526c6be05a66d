"""``voxome doctor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.mark.slow
def test_it_names_credentials_and_never_shows_them(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "top-secret")
    (tmp_path / "config.toml").write_text('[profiles.default.dvid]\nhost = "h"\ntoken = "other-secret"\n')
    facts = command("doctor", "--json")
    found = {(one["store"], one["source"]) for one in facts.json["credentials"]}
    assert {("bossdb", "VOXOME_BOSSDB_TOKEN"), ("dvid", str(tmp_path / "config.toml"))} <= found
    assert "secret" not in facts.out + command("doctor").out


@pytest.mark.slow
def test_it_names_what_is_missing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.cli.doctor._version", lambda name: None if name == "matplotlib" else "1")
    assert command("doctor", "--json").json["extras"]["plots"] == ["matplotlib"]
    assert "extra plots\tmissing matplotlib: pip install 'voxome[plots]'" in command("doctor").out


@pytest.mark.slow
def test_it_shows_problems_of_the_configuration(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("doctor", "--json").json["problems"] == []
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("VOXOME_PROFILE", "lab")
    problems = command("doctor", "--json").json["problems"]
    assert any("no profile 'lab'" in one for one in problems)
    assert any("none.toml, which does not exist" in one for one in problems)


def test_other_verbs_refuse_a_missing_configuration(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_PROFILE", "lab")
    result = command("ls", ".")
    assert (result.status, "no profile 'lab' (VOXOME_PROFILE)" in result.err) == (1, True)
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    result = command("ls", ".")
    assert result.status == 1
    assert "VOXOME_CONFIG names" in result.err
    assert "create it, or unset VOXOME_CONFIG" in result.err
