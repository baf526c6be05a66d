"""The page of environments: its commands and its example run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from peers.podman import IMAGE, Podman
from typer.testing import CliRunner

from voxome.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "environments.md"
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [watershed]
hints: {DockerRequirement: {dockerPull: "localhost/watershed:1"}}
inputs: []
outputs: []
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "0 voxels\n\n"


@pytest.mark.slow
def test_the_commands_build_and_pin(podman: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, podman.environment[name])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watershed").mkdir()
    (tmp_path / "watershed" / "Dockerfile").write_text(f"FROM {IMAGE}\n")
    (tmp_path / "pipeline.cwl").write_text(TOOL)
    for line in "".join(blocks("sh")).splitlines():
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, result.output
    ids: list[Any] = [
        json.loads((tmp_path / file).read_text())["images"]["localhost/watershed:1"]
        for file in ("watershed/voxome.lock.json", "voxome.lock.json", "pinned.json")
    ]
    assert ids[0] == ids[1] == ids[2]
