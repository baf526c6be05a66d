"""Arrays and tables of voxome as files of commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxome.errors import InvalidInput
from voxome.workflow.mixed.outline import read_workflow
from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow
TOOLS = Path(__file__).parents[3] / "pipelines" / "tools"
WORKFLOW = f"""
cwlVersion: v1.2
class: Workflow
$namespaces: {{voxome: "https://voxome.org/cwl#"}}
inputs: {{raw: File}}
outputs: {{out: {{type: File, outputSource: look/out}}, rows: {{type: File, outputSource: print/out}}}}
steps:
  mark:
    run: {TOOLS}/common.threshold.cwl
    in: {{image: raw, at: {{default: 100}}, store: {{default: nowhere}}}}
    out: [result]
  measure:
    run: {TOOLS}/common.statistics.cwl
    in: {{image: raw, store: {{default: nowhere}}}}
    out: [STATISTICS]
  look:
    in: {{mask: mark/result}}
    out: [out]
    run:
      class: CommandLineTool
      hints: {{voxome:Files: {{inputs: {{mask: {{format: npy, axes: xyz, dtype: uint16}}}}}}}}
      baseCommand: cp
      arguments: [$(inputs.mask.path), out.npy]
      inputs: {{mask: File}}
      outputs: {{out: {{type: File, outputBinding: {{glob: out.npy}}}}}}
  print:
    in: {{table: measure/STATISTICS}}
    out: [out]
    run:
      class: CommandLineTool
      hints: {{voxome:Files: {{inputs: {{table: {{format: csv}}}}}}}}
      baseCommand: cp
      arguments: [$(inputs.table.path), rows.csv]
      inputs: {{table: File}}
      outputs: {{out: {{type: File, outputBinding: {{glob: rows.csv}}}}}}
"""


@pytest.fixture
def mixed(tmp_path: Path, voxels: np.ndarray) -> Path:
    """Path of a workflow whose commands get an array and a table of voxome."""
    from voxome.registry import load

    output = next(iter(load("voxome.tools", "common.statistics").spec.outputs))
    (tmp_path / "files.cwl").write_text(WORKFLOW.replace("STATISTICS", output))
    return tmp_path / "files.cwl"


def test_a_command_gets_an_array_and_a_table_in_its_formats(mixed: Path, voxels: np.ndarray) -> None:
    out = mixed.parent / "out"
    run(mixed, {"raw": mixed.parent / "raw.npy"}, out=out, workers=1)
    written = np.load(out / "out.npy")
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written > 0, (voxels > 100).T)
    header, *rows = (out / "rows.csv").read_text().splitlines()
    assert "," in header
    assert rows


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("axes: xyz", "axes: xy", "axes are 'xy'"),
        ("format: npy", "format: npz", "npz"),
        ("inputs: {mask: {f", "inputs: {msk: {f", "did you mean 'mask'"),
        ("dtype: uint16", "kind: labels", "leave out kind: labels"),
    ],
)
def test_what_is_wrong_with_the_hint_has_file_and_line(mixed: Path, old: str, new: str, message: str) -> None:
    mixed.write_text(mixed.read_text().replace(old, new))
    with pytest.raises(InvalidInput, match=message) as error:
        read_workflow(mixed)
    assert "files.cwl:" in str(error.value)
