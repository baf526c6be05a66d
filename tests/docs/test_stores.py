"""The tables of docs/stores.md match the code."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest
from typer.testing import CliRunner

from voxome.cli.main import app
from voxome.config.file import ConfigFile
from voxome.config.values import VARIABLES, Settings
from voxome.registry import BUILT_IN, load
from voxome.remotes.zarr.create import default_chunk

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
KINDS = {"BOSSDB", "DVID", "DVID_ADMIN", "GRAPHENE", "S3"}
"""Stores whose host and token may be in the environment."""


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_the_page_begins_with_its_heading_and_every_row_has_the_cells_of_its_head() -> None:
    assert PAGE.startswith("# Stores\n")
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", PAGE, flags=re.DOTALL)
    for table in re.findall(r"(?:^.*\|.*\n)+", prose, re.MULTILINE):
        assert all(line.startswith("|") and line.endswith("|") for line in table.splitlines()), table
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_every_remote_is_in_the_table() -> None:
    documented = {scheme for row in rows("Remotes") for scheme in re.findall(r"`(\w+)`", row[0])}
    assert documented == set(BUILT_IN["voxome.remotes"])


@pytest.mark.parametrize("row", rows("Remotes"), ids=lambda row: row[0])
def test_the_column_creates_matches_the_remotes(row: list[str]) -> None:
    for scheme in re.findall(r"`(\w+)`", row[0]):
        assert hasattr(load("voxome.remotes", scheme)(), "create") == (row[4] != "no")


def test_the_stores_that_cannot_remove_volumes_are_named() -> None:
    known = {scheme: load("voxome.remotes", scheme)() for scheme in BUILT_IN["voxome.remotes"]}
    without = {scheme for scheme, remote in known.items() if not hasattr(remote, "delete")}
    assert without == {"cloudvolume", "graphene", "dvid", "dvids", "wkw", "dicom", "annotationfiles", "proofread"}


def constants() -> list[list[str]]:
    """The rows of the table of limits that are not settings."""
    return [line.strip("| \n").split(" | ") for line in PAGE.splitlines() if re.search(r"\| `voxome\.\S+` \|$", line)]


@pytest.mark.parametrize("row", constants(), ids=lambda row: row[0])
def test_constants_have_the_values_of_the_table(row: list[str]) -> None:
    module, _, name = row[2].strip("`").rpartition(".")
    assert getattr(import_module(module), name) == float(row[1].replace(",", ""))


def test_the_table_of_settings_matches_the_code() -> None:
    expected = []
    types = get_type_hints(Settings, include_extras=True)
    for field in fields(Settings):
        default = "" if field.default is None else str(field.default).lower()
        expected.append([f"`{field.name}`", default, types[field.name].__metadata__[-1]])
    assert [[row[0], row[1].replace(",", ""), row[2]] for row in rows("Settings and tuning")] == expected


def test_the_documented_variables_are_those_that_the_code_reads() -> None:
    stores = {f"VOXOME_{kind}_{what}" for kind in KINDS for what in ("HOST", "TOKEN")}
    assert set(re.findall(r"VOXOME_[A-Z0-9_]+", PAGE)) - {"VOXOME_"} <= stores | set(VARIABLES.values())


@pytest.mark.slow
def test_the_read_benchmark_has_the_documented_options() -> None:
    (text,) = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
    documented = CliRunner().invoke(app, ["bench", "read", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert all(line.startswith("voxome bench read ") for line in text.splitlines())
    assert set(re.findall(r"--[\w-]+", text)) <= set(re.findall(r"--[\w-]+", documented.output))


def test_the_example_of_profiles_is_valid() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = ConfigFile.model_validate(tomllib.loads(text))
    assert set(file.profiles[file.profile]) == {"bossdb", "dvid", "s3"}


def test_default_chunks_of_zarr_match_the_table() -> None:
    assert default_chunk((9, 999, 999, 999)) == (1, 64, 64, 64)
    assert (default_chunk((9999, 9999)), default_chunk((1 << 20,))) == ((512, 512), (262_144,))
