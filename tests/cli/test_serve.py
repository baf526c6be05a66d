"""The command line of a relay becomes its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from voxome.cli.relay import parse_lifetime
from voxome.cli.serve import _announce, build_config, split_name
from voxome.errors import InvalidInput
from voxome.relay.config_file import parse_config

CONFIG = """
port = 9000
allow_origins = ["*"]

[cache]
memory_mib = 7

[sources."lab/em"]
uri = "zarr://https://store.example/em.zarr"
readers = ["lab"]
ttl_s = 5
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [("zarr:///data/em.zarr", "em"), ("/data/em.ome.zarr/", "em.ome"), ("precomputed://s3://bucket/a b/", "a-b"),
     ("bossdb://host/col/exp/chan", "chan"), ("zarr://https://h/em.zarr?level=2", "em"), ("em.h5/volumes/raw", "raw"),
     ("dvid://host:8000/abcd/gray=1", "gray-1")],
)  # fmt: skip
def test_a_uri_without_a_name_gets_one(text: str, name: str) -> None:
    assert split_name(text) == (name, text)


def test_a_named_uri_keeps_its_own_equals_signs() -> None:
    assert split_name("a/b=zarr://x?level=2") == ("a/b", "zarr://x?level=2")
    assert split_name("zarr://x?level=2") == ("x", "zarr://x?level=2")


def test_options_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(CONFIG)
    options = {"port": 1, "host": None, "allow_origins": [], "cache": {"folder": tmp_path, "memory_mib": None}}
    config = build_config([str(file), "b=c.npy"], ["b"], {**options, "tls": {"certificate": None, "key": None}})
    assert (config.port, config.host, config.allow_origins) == (1, "127.0.0.1", ("*",))
    assert (config.cache.folder, config.cache.memory_mib, config.tls) == (tmp_path, 7, None)
    assert config.sources["lab/em"].rights.readers == {"lab"}
    assert config.sources["lab/em"].caching.ttl_s == 5
    assert config.sources["b"].rights.writers == {"admin"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["a.toml", "b.toml"], "give one"), (["a=x", "a=y"], "served as a"), (["zarr:///"], "suggests no name")],
)
def test_wrong_arguments_are_explained(arguments: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        build_config(arguments, [], {})


def test_all_problems_of_a_file_are_named(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("workers = 0\nsource = 1\n[cache]\nmemory = 1\n[tls]\nkey = 'a'")
    with pytest.raises(InvalidInput) as raised:
        build_config([str(file)], [], {})
    for part in ("workers: expected at least 1", "'sources'", "cache.memory_mib", "tls.certificate: missing"):
        assert part in str(raised.value)
    file.write_text("port = ")
    with pytest.raises(InvalidInput, match="is not a TOML file"):
        build_config([str(file)], [], {})


def test_an_option_hides_no_problem_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('port = "a"')
    with pytest.raises(InvalidInput, match="port: expected"):
        build_config([str(file)], [], {"port": 0})
    file.write_text("[tls]\nkey = 'a'")
    config = build_config([str(file)], [], {"tls": {"certificate": tmp_path, "key": None}})
    assert config.tls is not None


@pytest.mark.parametrize(
    "line", ['port = "80"', 'workers = "2"', 'drain_s = "1"', "[sources.em]\nuri = 'x'\ncache = 1"]
)
def test_a_value_of_another_type_is_refused_also_if_it_reads_as_the_right_one(tmp_path: Path, line: str) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(line)
    with pytest.raises(InvalidInput, match=": expected "):
        build_config([str(file)], [], {"port": 0})


def test_a_file_that_cannot_be_read_is_named_with_what_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nope\.toml cannot be read: .*; expected a configuration file"):
        build_config([str(tmp_path / "nope.toml")], [], {})


def test_what_a_name_or_path_looks_like_is_described_in_words(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('prefix = "user"\n[sources.em]\nuri = "x"\nboss = "a/b"')
    with pytest.raises(InvalidInput) as raised:
        build_config([str(file)], [], {})
    assert "prefix: expected a path that begins with /" in str(raised.value)
    assert "sources.em.boss: expected COLLECTION/EXPERIMENT/CHANNEL" in str(raised.value)
    assert "[A-Z" not in str(raised.value)


def test_lifetimes_are_parsed() -> None:
    assert [parse_lifetime(text) for text in ("90m", "12h", "30d", "4w")] == [5400, 43200, 2592000, 2419200]
    for text in ("", "-1d", "1", "1y", "1.5h"):
        with pytest.raises(typer.BadParameter, match="expected minutes"):
            parse_lifetime(text)
    for text in ("0d", "00m"):
        with pytest.raises(typer.BadParameter, match="expected a positive time"):
            parse_lifetime(text)


def test_two_sources_cannot_be_one_channel(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('[sources]\na = {uri = "x", boss = "c/e/ch"}\nb = {uri = "y", boss = "c/e/ch"}\n')
    with pytest.raises(InvalidInput, match="a and b are both the channel c/e/ch"):
        build_config([str(file)], [], {})


def test_the_names_of_what_is_served_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"sources": {"em": {"uri": "em.zarr"}}, "stores": {"scratch": {"uri": "/srv/scratch"}}}
    _announce("http://h", parse_config(given, "test"), json=False)
    assert capsys.readouterr().out.splitlines() == ["Serving at http://h", "  em", "  scratch"]
    _announce("http://h", parse_config({}, "test"), json=False)
    assert capsys.readouterr().out.splitlines() == ["Serving at http://h", "  no volumes yet"]
