"""The recipes of CONTRIBUTING.md work as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import voxome
from voxome.registry import load, look_again
from voxome.resources.table import TableFile
from voxome.workflow.describe import document

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
NAMES = """
cwlVersion: v1.2
class: Workflow
inputs: {counts: [File, string], store: string}
outputs: {ranks: {type: File, outputSource: rank/result}, names: {type: File, outputSource: name/result}}
steps:
  name: {run: lab.names.cwl, in: {counts: counts, store: store}, out: [result]}
  rank: {run: lab.ranks.cwl, in: {names: name/result, store: store}, out: [result]}
"""


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of a language in a section, without their indentation."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", section, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The packages of the recipes, installed, and a volume."""
    report, kind = blocks("Add a report or a scorer", "python"), blocks("Add a kind of data", "python")
    (tmp_path / "lab_reports.py").write_text(report[0])
    (tmp_path / "lab_names.py").write_text(kind[0])
    (tmp_path / "test_names.py").write_text(kind[1])
    groups = re.findall(
        r"^\[project\.entry-points\.\"(.*)\"\]\n(.*)$", blocks("Add a report or a scorer", "toml")[0], re.M
    )
    lines = "".join(f"[{group}]\n{entry.replace(chr(34), '')}\n" for group, entry in groups)
    lines += "[voxome.tools]\nlab.names = lab_names:give_names\nlab.ranks = lab_names:list_ranks\n"
    info = tmp_path / "lab-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(lines)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.chdir(tmp_path)
    look_again()
    spec = voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(8, 8, 8))
    voxome.create("zarr://raw.zarr", spec)[:2] = 200
    yield tmp_path
    look_again()
    for module in ("lab_reports", "lab_names", "test_names"):
        sys.modules.pop(module, None)


def test_the_report_and_the_scorer_are_used_by_the_workflow(lab: Path) -> None:
    (lab / "mark.cwl").write_text(blocks("Add a report or a scorer", "yaml")[0])
    for name in ("common.threshold", "common.statistics"):
        (lab / f"{name}.cwl").write_text(document(load("voxome.tools", name).spec))
    (lab / "truth").mkdir()
    (lab / "truth" / "share.txt").write_text("0.25")
    record = voxome.run("mark.cwl", {"raw": "raw.zarr"}, out="out", truth="truth")
    assert (lab / "out" / "counts.txt").read_text() == "0: 384\n255: 128\n"
    assert (lab / "out" / "histogram.parquet").exists()
    assert json.loads((lab / "out" / "run.json").read_text())["summary"] == {"values": 2}
    assert record["scores"] == {"mask": {"difference": 0.0}}


def test_the_kind_travels_between_the_tools(lab: Path) -> None:
    (lab / "names.cwl").write_text(NAMES)
    for name in ("lab.names", "lab.ranks"):
        (lab / f"{name}.cwl").write_text(document(load("voxome.tools", name).spec))
    counts = voxome.tool("common.statistics", {"image": "raw.zarr"}, out="store")["result"]
    voxome.run("names.cwl", {"counts": counts.uri}, out="named", workers=2)
    assert json.loads((lab / "named" / "names.names.json").read_text()) == {"0": "rank 1", "200": "rank 2"}
    rows = TableFile(lab / "named" / "ranks.parquet").read()
    assert (rows["value"].tolist(), rows["rank"].tolist()) == ([0, 200], [1, 2])


def test_the_kind_meets_the_contract(lab: Path) -> None:
    command = [sys.executable, "-m", "pytest", "test_names.py", "-q", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d\d passed", done.stdout)
