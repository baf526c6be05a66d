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
    names = ("profile", "in_use", "store", "host", "token", "token_env", "options")
    assert [tuple(row[name] for name in names) for row in listed.json["stores"]] == [
        ("environment", True, "bossdb", None, True, "VOXOME_BOSSDB_TOKEN", []),
        ("lab", True, "bossdb", "https://boss.lab.org", True, None, []),
        ("lab", True, "dvid", "http://dvid.lab.org:8000", False, "LAB_DVID_TOKEN", ["key"]),
        ("home", False, "s3", "http://127.0.0.1:9000", False, None, []),
    ]
    assert (listed.json["file"], listed.json["profile"]) == (str(tmp_path / "config.toml"), "lab")
    result = configured("profiles")
    assert result.out.splitlines()[1:] == [
        "environment\tbossdb\t\tset\t",
        "lab (in use)\tbossdb\thttps://boss.lab.org\tset\t",
        "lab (in use)\tdvid\thttp://dvid.lab.org:8000\tnot set, by LAB_DVID_TOKEN\tkey",
        "home\ts3\thttp://127.0.0.1:9000\tnot set\t",
    ]
    for text in (listed.out, listed.err, result.out, result.err):
        assert not any(secret in text for secret in SECRETS)


def test_a_token_named_by_a_variable(configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DVID_TOKEN", "hunter2")
    monkeypatch.setenv("VOXOME_PROFILE", "home")
    result = configured("profiles", "--json")
    rows = {(row["profile"], row["store"]): row for row in result.json["stores"]}
    assert (rows["lab", "dvid"]["token"], rows["lab", "dvid"]["token_env"]) == (True, "LAB_DVID_TOKEN")
    assert rows["home", "s3"]["in_use"]
    assert "hunter2" not in result.out


@pytest.mark.parametrize(
    "host", ["http://me:hunt@hunter2@h", "http://me:hunter2@h?token=swordfish", "me:hunter2@h", "//me:hunter2@h"]
)
def test_a_host_is_listed_without_its_login(command: Any, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_HOST", host)
    for result in (command("profiles"), command("profiles", "--json")):
        assert "h" in result.out
        for secret in ("hunt", *SECRETS):
            assert secret not in result.out


@pytest.mark.slow
def test_the_token_of_an_administrator_is_listed(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", "hunter2")
    monkeypatch.setenv("VOXOME_S3_TOKEN", "")
    result = command("profiles", "--json")
    assert [(row["store"], row["token_env"]) for row in result.json["stores"]] == [
        ("dvid_admin", "VOXOME_DVID_ADMIN_TOKEN")
    ]
    found = command("doctor", "--json").json["credentials"]
    assert {"store": "dvid_admin", "source": "VOXOME_DVID_ADMIN_TOKEN"} in found
    assert "VOXOME_S3_TOKEN" not in [one["source"] for one in found]


def test_a_missing_file_is_not_an_error(command: Any, tmp_path: Path) -> None:
    (tmp_path / "config.toml").unlink()
    assert command("profiles", "--json").json["stores"] == []
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
