"""Recorded requests of a real server get the recorded responses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TOKEN = "test-admin"


@pytest.fixture
def server() -> Iterator[str]:
    command = [sys.executable, "-m", "standins.dvid", "--port", "0", "--admin-token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def recording(shared: Path) -> Path:
    folder = shared / "reference" / "dvid-recorded"
    if not folder.is_dir():
        pytest.skip(f"no recording at {folder}")
    return folder


@pytest.mark.parametrize(("name", "folder"), [("main", "."), ("edges", "edges")])
def test_recorded_requests_get_the_recorded_responses(server: str, recording: Path, name: str, folder: str) -> None:
    differences = tomllib.loads((Path(__file__).parent / "differences.toml").read_text())[name]
    pairs = [json.loads(line) for line in (recording / folder / "pairs.jsonl").read_text().splitlines()]
    bugs = {number for number, pair in enumerate(pairs, 1) if pair["compare"] == "server-bug"}
    assert {int(number) for number in differences["server-bug"]} == bugs
    replay = [sys.executable, str(recording / "replay.py"), server, "--recording", str(recording / folder)]
    report = subprocess.run([*replay, "--show", "400"], capture_output=True, text=True, check=False).stdout
    differing = {int(number) for number in re.findall(r"^ *(\d+) \S+ +(?:GET|HEAD|POST|DELETE) ", report, re.MULTILINE)}
    assert differing == {int(number) for number in differences["differs"]}, report
    assert f"of {len(pairs)}" in report.splitlines()[-1]
