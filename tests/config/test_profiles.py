"""Profiles: what beats what, and that no token shows or reaches another host."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from voxome.config.file import read_config
from voxome.config.profiles import Secret, same_host, store_profile
from voxome.errors import InvalidInput, NotFound

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


def test_the_profile_in_use_gives_host_and_token() -> None:
    found = store_profile("bossdb")
    assert (found.host, revealed(found.token)) == ("https://boss.example", "from-file")


def test_options_belong_to_their_host() -> None:
    assert store_profile("s3").options == {"anonymous": "true"}
    assert store_profile("s3", "http://elsewhere:9000").options == {}


def test_another_profile_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_PROFILE", "other")
    monkeypatch.setenv("OTHER_TOKEN", "named")
    found = store_profile("bossdb")
    assert (found.host, revealed(found.token)) == ("https://other.example", "named")


def test_the_environment_beats_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "from-env")
    assert revealed(store_profile("bossdb").token) == "from-env"
    monkeypatch.setenv("VOXOME_BOSSDB_HOST", "https://env.example")
    assert store_profile("bossdb").host == "https://env.example"


@pytest.mark.parametrize("host", ["https://evil.example", "http://boss.example", "https://boss.example:8443"])
def test_a_token_goes_to_its_own_host_only(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "from-env")
    found = store_profile("bossdb", host)
    assert (found.host, found.token) == (host, None)


def test_a_token_without_a_host_is_meant_for_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_TOKEN", "t")
    assert store_profile("dvid", "http://some:8000").token is None
    assert revealed(store_profile("dvid", default="http://some:8000").token) == "t"


def test_a_secret_never_shows() -> None:
    token = Secret("hidden-text")
    found = store_profile("bossdb")
    for text in (repr(token), str(token), f"{token}", repr(found), repr(read_config(Path("x")))):
        assert "hidden" not in text
        assert "from-file" not in text
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(token)


def test_a_wrong_file_is_reported_without_its_values(config: Path) -> None:
    config.write_text('[profiles.lab.bossdb]\nhost = "h"\ntokn = "hidden-text"\n')
    with pytest.raises(InvalidInput, match=r"profiles\.lab\.bossdb\.tokn: .*did you mean 'token'") as caught:
        store_profile("bossdb")
    assert "hidden-text" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_toml(config: Path) -> None:
    config.write_text("profile = ")
    with pytest.raises(InvalidInput, match="is not TOML"):
        store_profile("bossdb")


def test_an_unknown_profile_names_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
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
