"""The configured server, and the token for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.errors import InvalidInput
from voxome.remotes.bossdb import account
from voxome.remotes.bossdb.service import api_at

OTHER = "https://other.org"


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "voxome.toml"))
    for name in ("INTERN_HOST", "INTERN_TOKEN", "INTERN_PROTOCOL", "VOXOME_PROFILE", "VOXOME_KEYRING"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOST", "TOKEN"):
        monkeypatch.delenv(f"VOXOME_BOSSDB_{name}", raising=False)


def intern_file(home: Path, text: str) -> None:
    (home / ".intern").mkdir(exist_ok=True)
    (home / ".intern" / "intern.cfg").write_text(text)


def test_without_configuration_public_data_are_read() -> None:
    assert account.default_host() == "https://api.bossdb.io"
    assert account.authorization(account.default_host()) == {"Authorization": "Token public"}


def test_a_voxome_profile_precedes_intern(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "voxome.toml").write_text('[profiles.default.bossdb]\nhost = "mine.org"\ntoken = "ours"\n')
    monkeypatch.setenv("INTERN_HOST", "mine.org")
    monkeypatch.setenv("INTERN_TOKEN", "theirs")
    assert account.default_host() == "https://mine.org"
    assert account.token("https://mine.org").reveal() == "ours"
    assert account.token(OTHER).reveal() == "public"


def test_the_environment_of_intern_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERN_PROTOCOL", "http")
    monkeypatch.setenv("INTERN_HOST", "lab.org:8000")
    monkeypatch.setenv("INTERN_TOKEN", "theirs")
    assert account.default_host() == "http://lab.org:8000"
    assert account.token("http://lab.org:8000").reveal() == "theirs"
    assert account.token("http://lab.org:8001").reveal() == "public"
    assert account.token(OTHER).reveal() == "public"


@pytest.mark.parametrize("section", ["Default", "Volume Service"])
def test_the_file_of_intern_is_used(tmp_path: Path, section: str) -> None:
    intern_file(tmp_path, f"[{section}]\nprotocol = https\nhost = lab.org\ntoken = 50%off%(x)s\n")
    assert account.default_host() == "https://lab.org"
    assert account.token("https://lab.org").reveal() == "50%off%(x)s"
    assert account.token(OTHER).reveal() == "public"
    intern_file(tmp_path, "[Default]\nprotocol = https\nhost = other.org\ntoken = changed\n")
    assert account.token(OTHER).reveal() == "changed"


def test_a_broken_file_is_reported_without_its_content(tmp_path: Path) -> None:
    intern_file(tmp_path, "token = very-secret\n")
    with pytest.raises(InvalidInput, match=r"intern\.cfg") as caught:
        account.default_host()
    assert "very-secret" not in repr(caught.value) + str(caught.value.__cause__)


def test_a_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERN_HOST", "lab.org")
    monkeypatch.setenv("INTERN_TOKEN", "very-secret")
    shown = [account.token("https://lab.org"), api_at("https://lab.org"), list(account._intern_logins())]
    assert "very-secret" not in f"{shown} {shown!r}"
