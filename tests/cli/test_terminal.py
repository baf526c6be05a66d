"""Tables of every verb, on a terminal of 80 columns and piped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.threshold_workflow import WORKFLOW

import voxome
from voxome.config.file import read_config
from voxome.registry import load
from voxome.workflow.describe import document

Command = Callable[..., Any]
TABLES = [
    "ls",
    "ls -r",
    "tools",
    "datasets",
    "profiles",
    "plan mark.cwl --set raw=raw.zarr",
    pytest.param("bench read raw.zarr --sizes 4,8 --repeats 1", marks=pytest.mark.slow),
]
FACTS = [
    "info raw.zarr",
    "datasets kasthuri2015/em",
    "doctor",
    "score segmentation --truth ids.zarr --result ids.zarr",
    "score mask --truth ids.zarr --result ids.zarr",
]


@pytest.fixture
def volumes(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    for uri, dtype in (("raw.zarr", "uint8"), ("deep/labels.zarr", "uint64"), (f"deep/{'long' * 15}.zarr", "uint8")):
        spec = voxome.VolumeSpec.of((600, 80, 100), dtype, voxel_size_nm=(33.5, 8, 8), start=(10, 0, 0))
        voxome.create(f"zarr://{uri}", spec)
    voxome.create("zarr://ids.zarr", voxome.VolumeSpec.of((4, 5, 6), "uint64"))[...] = 1
    (tmp_path / "tool.cwl").write_text(document(load("voxome.tools", "common.threshold").spec))
    (tmp_path / "mark.cwl").write_text(WORKFLOW)
    (tmp_path / "config.toml").write_text(
        '[profiles.lab.dvid]\nhost = "http://dvid.lab.org:8000"\ntoken_env = "TOKEN"\n'
    )
    read_config.cache_clear()
    monkeypatch.setenv("COLUMNS", "80")
    return command


def _on_terminal(volumes: Command, line: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voxome.cli.table.on_terminal", lambda: True)
        result = volumes(*line.split())
    assert result.status == 0, result.err
    return str(result.out)


def _cells(volumes: Command, line: str) -> list[list[str]]:
    result = volumes(*line.split())
    assert result.status == 0, result.err
    return [row.split("\t") for row in result.out.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("line", [*TABLES, *FACTS])
def test_a_terminal_of_80_columns_shows_all_and_breaks_no_word(volumes: Command, line: str) -> None:
    shown = _on_terminal(volumes, line)
    rows = _cells(volumes, line)
    if line.startswith("plan"):  # leaves out columns
        rows = [row[:1] + row[4:8] for row in rows]
    words = shown.split()
    measured = line.startswith(("bench", "doctor"))
    for cell in [] if measured else (cell for row in rows for cell in row):
        assert all(word in words for word in cell.split()), cell
    for text in shown.splitlines():
        assert len(text) <= 80 or len(text.split()[-1]) > 40, text


@pytest.mark.parametrize("line", TABLES)
def test_a_piped_table_has_a_header_and_as_many_cells_in_each_row(volumes: Command, line: str) -> None:
    header, *rows = _cells(volumes, line)
    assert rows
    assert {len(row) for row in rows} == {len(header)}


@pytest.mark.slow
@pytest.mark.parametrize("line", FACTS)
def test_piped_facts_are_names_and_values(volumes: Command, line: str) -> None:
    assert {len(row) for row in _cells(volumes, line)} == {2}


@pytest.mark.slow
def test_shapes_and_sizes_look_the_same_in_all_tables(volumes: Command) -> None:
    facts = dict(row for row in _cells(volumes, "info raw.zarr"))
    assert (facts["shape"], facts["start"], facts["voxel size (nm)"]) == ("600,80,100", "10,0,0", "33.5,8,8")
    assert facts["levels"].startswith("0: 600,80,100 voxels of 33.5,8,8 nm")
    listed = {row[0].rpartition("/")[2]: row[2] for row in _cells(volumes, "ls")}
    assert listed["raw.zarr"] == "uint8 600,80,100 from 10,0,0"
    plan = dict(zip(*_cells(volumes, "plan mark.cwl --set raw=raw.zarr")[:2], strict=True))
    assert plan["block"] == "64,128,128"
    assert "30,6,6" in {row[2] for row in _cells(volumes, "datasets")}
