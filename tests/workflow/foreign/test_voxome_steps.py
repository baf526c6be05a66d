"""Workflows of tools of voxome and of others."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput
from voxome.workflow.cwl import load

pytestmark = pytest.mark.slow

TOOLS = Path(__file__).parents[3] / "pipelines" / "tools"
WORKFLOW = f"""
cwlVersion: v1.2
class: Workflow
inputs: {{volume: File, store: string}}
outputs:
  mask: {{type: File, outputSource: mark/result}}
  copy: {{type: File, outputSource: look/out}}
steps:
  make:
    in: {{volume: volume}}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: [cp]
      arguments: [$(inputs.volume.path), made.npy]
      inputs: {{volume: File}}
      outputs: {{out: {{type: File, outputBinding: {{glob: made.npy}}}}}}
  mark:
    run: {TOOLS}/common.threshold.cwl
    in: {{image: make/out, at: {{default: 100}}, store: store}}
    out: [result]
  look:
    in: {{handle: mark/result}}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: [cat]
      inputs: {{handle: {{type: File, inputBinding: {{}}}}}}
      stdout: copy.json
      outputs: {{out: stdout}}
"""


def test_tools_of_voxome_are_commands_between_others(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    values = np.random.default_rng(1).integers(0, 255, (8, 9, 10), np.uint8)
    np.save(tmp_path / "raw.npy", values)
    volume = {"class": "File", "path": str(tmp_path / "raw.npy")}
    ended = call(WORKFLOW, {"volume": volume, "store": str(tmp_path / "store")})
    assert ended.status == 0
    handle = json.loads(Path(ended.outputs["copy"]["path"]).read_text())
    assert handle == json.loads(Path(ended.outputs["mask"]["path"]).read_text())
    np.testing.assert_array_equal(voxome.open(handle["uri"])[...] > 0, values > 100)


def test_a_handle_is_not_taken_from_a_cache_as_its_store_may_be_gone(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    np.save(tmp_path / "raw.npy", np.full((2, 2, 2), 200, np.uint8))
    inputs = {"volume": {"class": "File", "path": str(tmp_path / "raw.npy")}, "store": str(tmp_path / "store")}
    assert call(WORKFLOW, inputs, "a", cache=tmp_path / "cache").status == 0
    shutil.rmtree(tmp_path / "store")
    again = call(WORKFLOW, inputs, "b", cache=tmp_path / "cache")
    handle = json.loads(Path(again.outputs["mask"]["path"]).read_text())
    assert voxome.open(handle["uri"])[...].any()


def test_the_block_runner_names_what_runs_such_a_workflow(tmp_path: Path) -> None:
    (tmp_path / "w.cwl").write_text(WORKFLOW)
    with pytest.raises(InvalidInput, match=r"run it with `voxome cwl-runner`:\n.*w\.cwl:\d+.*make") as error:
        load(tmp_path / "w.cwl")
    assert "step look" in str(error.value)
