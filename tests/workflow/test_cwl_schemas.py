"""Schemas of CWL that are kept between processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CODE = """
import json, sys
from cwltool import process
made = []
load = process.load_schema
process.load_schema = lambda *arguments, **options: made.append(arguments[0]) or load(*arguments, **options)
from voxome.errors import VoxomeError
from voxome.workflow.cwl import parse_process
try:
    parse_process(sys.argv[1])
    print(json.dumps([len(made), None]))
except VoxomeError as error:
    print(json.dumps([len(made), str(error)]))
"""
TOOL = "{class: CommandLineTool, cwlVersion: VERSION, baseCommand: echo, inputs: {a: File}, outputs: []}"


def load(tool: Path, cache: Path) -> tuple[int, str | None]:
    """Return how many schemas a process makes that loads a tool, and what is wrong with this."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tool)], capture_output=True, text=True, check=True, env=environment
    )
    made, error = json.loads(done.stdout.splitlines()[-1])
    return made, error


def test_a_second_process_makes_no_schema_and_finds_the_same_faults(tmp_path: Path) -> None:
    good, bad, older = (tmp_path / name for name in ("good.cwl", "bad.cwl", "older.cwl"))
    good.write_text(TOOL.replace("VERSION", "v1.2"))
    bad.write_text(TOOL.replace("VERSION", "v1.2").replace("a: File", "a: Fyle"))
    older.write_text(TOOL.replace("VERSION", "v1.1"))
    cache = tmp_path / "cache"
    made, error = load(bad, cache)
    assert made
    assert error is not None
    assert "Fyle" in error
    assert load(good, cache)[1] is None
    assert load(good, cache) == (0, None)
    assert load(bad, cache) == (0, error)
    assert load(older, cache) == (1, None)
    assert load(older, cache) == (0, None)
    assert load(good, cache) == (0, None)


def test_a_file_that_others_may_write_or_that_is_damaged_is_not_read(tmp_path: Path) -> None:
    tool, cache = tmp_path / "tool.cwl", tmp_path / "cache"
    tool.write_text(TOOL.replace("VERSION", "v1.2"))
    load(tool, cache)
    (kept,) = (cache / "voxome").glob("cwl-schemas-*.pickle")
    assert kept.stat().st_mode & 0o077 == 0
    kept.chmod(0o666)
    assert load(tool, cache)[0] > 0
    kept.write_bytes(kept.read_bytes()[:1000])
    kept.chmod(0o600)
    assert load(tool, cache)[0] > 0
    assert load(tool, cache) == (0, None)


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    tool = tmp_path / "tool.cwl"
    tool.write_text(TOOL.replace("VERSION", "v1.2"))
    (tmp_path / "cache").write_text("a file")
    assert load(tool, tmp_path / "cache")[1] is None
