"""A parameter may have any name, even that of an option of voxome: on the command line, in CWL, in a CWL runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import voxome
from voxome.cli.main import app
from voxome.contracts.handle import Handle
from voxome.contracts.ports import HOST_PORTS, option_of, port_of
from voxome.errors import PlanError
from voxome.registry import load
from voxome.workflow.describe import describe, document
from voxome.workflow.run_tool import run_tool
from voxome.workflow.verbs import run

VALUES = {
    "block": 1,
    "store": "22",
    "workers": 3.0,
    "region": True,
    "level": 4,
    "name": "55555",
    "help": "666666",
    "tool_level": 7,
}
SUM = 1 + 2 + 3 + 1 + 4 + 5 + 6 + 7
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], many: int?, store: string, block: string?, workers: int?}
outputs: {filled: {type: File, outputSource: fill/result}}
steps:
  fill:
    run: demo.names.cwl
    in:
      image: raw
      tool_block: many
      tool_store: {default: "22"}
      tool_workers: {default: 3.0}
      region: {default: true}
      tool_level: {default: 4}
      name: {default: "55555"}
      tool_help: {default: "666666"}
      tool_tool_level: {default: 7}
      store: store
      block: block
      workers: workers
    out: [result]
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    voxome.create(f"zarr://{tmp_path}/raw.zarr", voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(8, 8, 8)))
    return tmp_path / "raw.zarr"


@pytest.fixture
def workflow(plugins: Path, tmp_path: Path) -> Path:
    (tmp_path / "demo.names.cwl").write_text(document(load("voxome.tools", "demo.names").spec))
    (tmp_path / "fill.cwl").write_text(WORKFLOW)
    return tmp_path / "fill.cwl"


def assert_filled(uri: str) -> None:
    assert np.array_equal(voxome.open(uri)[...], np.full((8, 8, 8), SUM, np.uint8))


def test_ports_are_unique() -> None:
    names = [f"{prefix}{name}" for prefix in ("", "tool_", "tool_tool_") for name in (*VALUES, "threshold")]
    ports = {port_of(name) for name in names}
    assert len(ports) == len(set(names))
    assert not ports & HOST_PORTS


def test_the_description_has_the_ports_of_voxome_and_of_the_tool(plugins: Path) -> None:
    inputs = describe(load("voxome.tools", "demo.names").spec)["inputs"]
    assert inputs["block"]["doc"].startswith("Block shape")
    assert inputs["tool_block"]["doc"] == "A number. Allowed: 0 to 9."
    assert inputs["tool_block"]["inputBinding"] == {"prefix": "--tool-block"}


@pytest.mark.slow
def test_python_uses_the_names_of_the_function(plugins: Path, raw: Path, tmp_path: Path) -> None:
    handles = run_tool("demo.names", {"image": raw, **VALUES}, store=tmp_path / "store")
    assert_filled(handles["result"].uri)


def test_a_value_out_of_range_is_refused_and_the_range_named(plugins: Path, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"parameter 'block' of demo\.names is 12: expected a whole number, 0 to 9"):
        run_tool("demo.names", {"image": raw, "block": 12}, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_the_help_shows_ranges(plugins: Path) -> None:
    text = " ".join(CliRunner().invoke(app, ["tool", "demo.names", "--help"]).output.split())
    assert "--tool-block N A number. (0 to 9; default: 0)" in text
    assert "--block Z,Y,X" in text


@pytest.mark.slow
def test_the_command_line_has_the_options(plugins: Path, raw: Path, tmp_path: Path) -> None:
    options = [f"{option_of(port_of(name))}={value}" for name, value in VALUES.items()]
    command = ["tool", "demo.names", "--image", str(raw), *options, "--out", str(tmp_path / "store"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "voxome.cli.main", *command, "--block", "4,8,8", "--workers", "1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert_filled(json.loads(done.stdout)["result"]["uri"])


@pytest.mark.slow
def test_a_workflow_sets_them_in_voxome_and_in_cwltool(workflow: Path, raw: Path, tmp_path: Path) -> None:
    run(workflow, {"raw": raw, "many": 1}, out=tmp_path / "out")
    assert_filled(str(tmp_path / "out" / "filled.zarr"))
    assert_filled(_cwltool(workflow, {"raw": str(raw), "many": 1, "store": str(tmp_path / "store")}, tmp_path).uri)


def _cwltool(workflow: Path, job: dict[str, Any], folder: Path) -> Handle:
    (folder / "job.json").write_text(json.dumps(job))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    files = ["--outdir", str(folder / "handles"), str(workflow), str(folder / "job.json")]
    done = subprocess.run(
        [sys.executable, "-m", "cwltool", "--preserve-environment", "PYTHONPATH", *files],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Handle.from_json(json.loads(Path(json.loads(done.stdout)["filled"]["path"]).read_text()))
