"""Profiles: precedence of sources, and tokens that stay hidden and reach only their own host."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from voxome.config.file import read_config
from voxome.config.profiles import same_host, store_profile
from voxome.errors import InvalidInput, NotFound
from voxome.redaction import Secret

FILE = """
profile = "lab"
[profiles.lab.bossdb]
host = "https://boss.example"
token = "from-file"
[profiles.lab.s3]
host = "http://127.0.0.1:9000"
options = { anonymous = "true" }
[profiles.other.bossdb]
host = "https://other.example"
token_env = "OTHER_TOKEN"
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(FILE)
    monkeypatch.setenv("VOXOME_CONFIG", str(file))
    for name in ("VOXOME_PROFILE", "VOXOME_BOSSDB_HOST", "VOXOME_BOSSDB_TOKEN", "VOXOME_KEYRING"):
        monkeypatch.delenv(name, raising=False)
    read_config.cache_clear()
    return file


def revealed(token: Secret | None) -> str | None:
    return None if token is None else token.reveal()


def test_host_and_token_come_from_the_profile_in_use() -> None:
    found = store_profile("bossdb")
    assert (found.host, revealed(found.token)) == ("https://boss.example", "from-file")


def test_options_apply_only_to_their_host() -> None:
    assert store_profile("s3").options == {"anonymous": "true"}
    assert store_profile("s3", "http://elsewhere:9000").options == {}


def test_the_environment_selects_another_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_PROFILE", "other")
    monkeypatch.setenv("OTHER_TOKEN", "named")
    found = store_profile("bossdb")
    assert (found.host, revealed(found.token)) == ("https://other.example", "named")


def test_the_environment_overrides_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "from-env")
    assert revealed(store_profile("bossdb").token) == "from-env"
    monkeypatch.setenv("VOXOME_BOSSDB_HOST", "https://env.example")
    assert store_profile("bossdb").host == "https://env.example"


@pytest.mark.parametrize("host", ["https://evil.example", "http://boss.example", "https://boss.example:8443"])
def test_a_token_is_sent_only_to_its_own_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "from-env")
    found = store_profile("bossdb", host)
    assert (found.host, found.token) == (host, None)


def test_a_token_without_a_host_applies_only_to_the_default_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_TOKEN", "t")
    assert store_profile("dvid", "http://some:8000").token is None
    assert revealed(store_profile("dvid", default="http://some:8000").token) == "t"


def test_a_secret_is_never_printed() -> None:
    token = Secret("hidden-text")
    found = store_profile("bossdb")
    for text in (repr(token), str(token), f"{token}", repr(found), repr(read_config(Path("x")))):
        assert "hidden" not in text
        assert "from-file" not in text
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(token)


def test_an_invalid_file_is_reported_without_its_values(config: Path) -> None:
    config.write_text('[profiles.lab.bossdb]\nhost = "h"\ntokn = "hidden-text"\n')
    with pytest.raises(InvalidInput, match=r"profiles\.lab\.bossdb\.tokn: .*did you mean 'token'") as caught:
        store_profile("bossdb")
    assert "hidden-text" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_not_toml_is_refused(config: Path) -> None:
    config.write_text("profile = ")
    with pytest.raises(InvalidInput, match="is not a TOML file"):
        store_profile("bossdb")


def test_an_unknown_profile_error_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_PROFILE", "labb")
    with pytest.raises(NotFound, match="lab, other"):
        store_profile("bossdb")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a", "https://a:443/x", True),
        ("http://a", "https://a", False),
        ("a:8000", "http://a:8000", True),
        ("https://A.b", "https://a.b", True),
    ],
)
def test_same_host(one: str, other: str, same: bool) -> None:
    assert same_host(one, other) is same
