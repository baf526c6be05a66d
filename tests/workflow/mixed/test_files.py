"""Arrays and tables of voxome as files of commands."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voxome.blocks.command.volumes import write_volume
from voxome.contracts.command_tool import VolumeFile
from voxome.contracts.handle import Handle
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, StoreError
from voxome.workflow.mixed import files
from voxome.workflow.mixed.files import write_file
from voxome.workflow.mixed.outline import read_workflow
from voxome.workflow.verbs import run

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


@pytest.mark.slow
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


ARRAY = VolumeFile(format="npy")


@pytest.fixture
def handle(tmp_path: Path) -> Handle:
    np.save(tmp_path / "a.npy", np.ones((2, 3, 4), np.uint8))
    return Handle("volume", f"npy://{tmp_path}/a.npy", "key")


def test_each_input_of_a_command_has_a_file_of_its_name(handle: Handle, tmp_path: Path) -> None:
    for _ in range(2):
        for port in ("first", "second"):
            written = write_file(handle, ARRAY, tmp_path / "files", port)
            assert written["basename"] == f"{port}.npy"
            assert np.load(Uri.parse(written["location"]).local_path).shape == (2, 3, 4)


def test_of_two_that_write_a_file_at_once_the_first_one_stays(
    handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: Any) -> None:
        monkeypatch.setattr(files, "write_volume", write_volume)
        write_file(handle, ARRAY, tmp_path / "files", "raw")
        write_volume(*arguments)

    monkeypatch.setattr(files, "write_volume", late)
    write_file(handle, ARRAY, tmp_path / "files", "raw")
    [folder] = (tmp_path / "files").iterdir()
    assert [one.name for one in folder.iterdir()] == ["raw.npy"]


def test_a_full_disk_leaves_no_part_of_a_file(handle: Handle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(array: np.ndarray, spec: VolumeFile, path: Path, port: str) -> None:
        path.write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_volume", fail)
    with pytest.raises(StoreError, match=r"cannot write .*raw\.npy: No space left on device"):
        write_file(handle, ARRAY, tmp_path / "files", "raw")
    assert not list((tmp_path / "files").iterdir())
