"""The tables of docs/stores.md are those of the code."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from voxome.cli.main import app
from voxome.config.profiles import Settings
from voxome.registry import BUILT_IN, load
from voxome.remotes.zarr.create import default_chunk

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
KINDS = {"BOSSDB", "DVID", "DVID_ADMIN", "GRAPHENE", "S3"}
"""Stores whose host and token may be in the environment."""
OF_TESTS = {"VOXOME_SHARED"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_every_remote_is_in_the_table() -> None:
    told = {scheme for row in rows("Remotes") for scheme in re.findall(r"`(\w+)`", row[0])}
    assert told == set(BUILT_IN["voxome.remotes"])


@pytest.mark.parametrize("row", rows("Remotes"), ids=lambda row: row[0])
def test_who_creates(row: list[str]) -> None:
    for scheme in re.findall(r"`(\w+)`", row[0]):
        assert hasattr(load("voxome.remotes", scheme)(), "create") == (row[4] != "no")


def test_who_removes() -> None:
    known = {scheme: load("voxome.remotes", scheme)() for scheme in BUILT_IN["voxome.remotes"]}
    without = {scheme for scheme, remote in known.items() if not hasattr(remote, "delete")}
    assert without == {"cloudvolume", "graphene", "dvid", "dvids", "wkw", "dicom"}


@pytest.mark.parametrize("row", [row for row in rows("Settings and tuning") if row[2]], ids=lambda row: row[0])
def test_constants_have_the_value_that_is_told(row: list[str]) -> None:
    dotted, *keys = re.findall(r"[\w.]+", row[2])
    module, _, name = dotted.rpartition(".")
    value: Any = getattr(import_module(module), name)
    for key in keys:
        value = value[key]
    assert value == float(row[1].replace(",", ""))


def test_variables_are_those_that_the_code_reads() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    read = {f"VOXOME_{name}" for name in re.findall(r"setting\(\s*\"([A-Z_]+)\"", code)}
    read |= set(re.findall(r"environ(?:\.get\(|\[)\s*\"(VOXOME_[A-Z_]+)\"", code)) - OF_TESTS
    told = set(re.findall(r"VOXOME_[A-Z0-9_]+", PAGE))
    assert read <= told
    assert told - read <= {f"VOXOME_{kind}_{what}" for kind in KINDS for what in ("HOST", "TOKEN")}


def test_the_sweep_has_the_options_that_are_told() -> None:
    (text,) = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
    told = CliRunner().invoke(app, ["bench", "read", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert all(line.startswith("voxome bench read ") for line in text.splitlines())
    assert set(re.findall(r"--[\w-]+", text)) <= set(re.findall(r"--[\w-]+", told.output))


def test_the_file_of_profiles_is_understood() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    settings = Settings.model_validate(tomllib.loads(text))
    assert set(settings.profiles[settings.profile]) == {"bossdb", "dvid", "s3"}


def test_chunks_of_new_zarr() -> None:
    assert default_chunk((9, 999, 999, 999)) == (1, 64, 64, 64)
    assert (default_chunk((9999, 9999)), default_chunk((1 << 20,))) == ((512, 512), (262_144,))
