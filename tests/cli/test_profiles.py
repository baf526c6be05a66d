"""``voxome profiles``: the configuration is listed, without tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voxome.config.file import read_config

SECRETS = ("hunter2", "swordfish", "opensesame", "tr0ub4dor")
FILE = """
profile = "lab"

[profiles.lab.bossdb]
host = "https://user:hunter2@boss.lab.org"
token = "swordfish"

[profiles.lab.dvid]
host = "http://dvid.lab.org:8000"
token_env = "LAB_DVID_TOKEN"
options = { key = "tr0ub4dor" }

[profiles.home.s3]
host = "http://127.0.0.1:9000"
"""


@pytest.fixture
def configured(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "config.toml").write_text(FILE)
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "opensesame")
    read_config.cache_clear()
    return command


def test_hosts_are_listed_without_tokens(configured: Any, tmp_path: Path) -> None:
    listed = configured("profiles", "--json")
    rows = {(row["profile"], row["kind"]): (row["host"], row["token"]) for row in listed.json["services"]}
    assert rows == {
        ("environment", "bossdb"): (None, "set"),
        ("lab (in use)", "bossdb"): ("https://boss.lab.org", "set"),
        ("lab (in use)", "dvid"): ("http://dvid.lab.org:8000", "not set, by LAB_DVID_TOKEN"),
        ("home", "s3"): ("http://127.0.0.1:9000", "not set"),
    }
    assert (listed.json["file"], listed.json["profile"]) == (str(tmp_path / "config.toml"), "lab")
    result = configured("profiles")
    assert "boss.lab.org" in result.out
    for text in (listed.out, listed.err, result.out, result.err):
        assert not any(secret in text for secret in SECRETS)


def test_a_token_named_by_a_variable(configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DVID_TOKEN", "hunter2")
    monkeypatch.setenv("VOXOME_PROFILE", "home")
    result = configured("profiles", "--json")
    rows = {(row["profile"], row["kind"]): row["token"] for row in result.json["services"]}
    assert rows["lab", "dvid"] == "set, by LAB_DVID_TOKEN"
    assert ("home (in use)", "s3") in rows
    assert "hunter2" not in result.out


def test_a_missing_file_is_not_an_error(command: Any, tmp_path: Path) -> None:
    (tmp_path / "config.toml").unlink()
    assert command("profiles", "--json").json["services"] == []
    assert "(missing)" in command("profiles").err


def test_an_invalid_file_is_reported_without_secrets(command: Any, tmp_path: Path) -> None:
    read_config.cache_clear()
    (tmp_path / "config.toml").write_text('[profiles.lab.bossdb]\ntoken = "hunter2"\nhots = "x"\n')
    result = command("profiles")
    assert (result.status, result.out) == (1, "")
    assert "hots" in result.err
    assert "hunter2" not in result.err


def test_an_undefined_profile_is_reported(configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_PROFILE", "labb")
    assert "profile in use: labb (not defined)" in configured("profiles").err
