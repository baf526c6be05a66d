"""After an edit of inputs, tools or parameters, the same command runs what depends on it again, and nothing else."""

from __future__ import annotations

import gc
import importlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

import voxome
from voxome.blocks.progress import StepReport
from voxome.contracts.run_record import RunRecord
from voxome.registry import load, look_again
from voxome.resources.table import TableFile, write_table
from voxome.workflow.clean import clean
from voxome.workflow.cwl import load as load_workflow
from voxome.workflow.describe import document
from voxome.workflow.graph import Graph
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.preview import preview
from voxome.workflow.run import run_plan

SHAPE = (32, 32, 32)
HEAD = '''"""A tool that tests edit."""
from typing import Annotated, Any
import numpy as np
from numpy.typing import NDArray
from voxome import kinds
from voxome.contracts.python_tool import tool
Image = Annotated[NDArray[Any], kinds.Image()]
Counts = kinds.Table({"value": "int64", "voxels": "int64"}, key=("value",), fold={"voxels": "sum"})
CODE = CODE_NUMBER
'''
TOOLS = {
    "add": """
@tool("edits.add", outputs=kinds.Image("uint8"))
def add(image: Image, *, by: int = 0) -> Any:
    return image + np.uint8(by + CODE)
""",
    "double": """
@tool("edits.double", outputs=kinds.Image("uint8"))
def double(image: Image) -> Any:
    return image * np.uint8(2) + np.uint8(CODE)
""",
    "count": """
@tool("edits.count", outputs=Counts)
def count(image: Image, other: Image) -> Any:
    value, voxels = np.unique(image ^ other, return_counts=True)
    return {"value": value.astype("int64"), "voxels": voxels + CODE}
""",
    "raise": """
Levels = kinds.Table({"level": "int64"}, key=("level",))

@tool("edits.raise", outputs=kinds.Image("uint8"))
def raise_(image: Image, levels: Annotated[Any, Levels], *, by: int = 0) -> Any:
    return image + np.uint8(levels.read()["level"].sum() + by + CODE)
""",
    "write": """
@tool("edits.write", scope="whole", outputs=kinds.File("txt"))
def write(counts: Annotated[Any, Counts], text: Annotated[Any, kinds.File("txt")]) -> Any:
    return text.read_bytes() + b" %d %d" % (counts.read()["voxels"].sum(), CODE)
""",
}
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs:
  raw: [File, string]
  other: [File, string]
  levels: [File, string]
  text: [File, string]
  add_by: int?
  raise_by: int?
  store: string
outputs:
  added: {type: File, outputSource: add/result}
  counted: {type: File, outputSource: count/result}
  raised: {type: File, outputSource: raise/result}
  written: {type: File, outputSource: write/result}
steps:
  add: {run: edits.add.cwl, in: {image: raw, by: add_by, store: store}, out: [result]}
  double: {run: edits.double.cwl, in: {image: add/result, store: store}, out: [result]}
  count: {run: edits.count.cwl, in: {image: double/result, other: other, store: store}, out: [result]}
  raise: {run: edits.raise.cwl, in: {image: double/result, levels: levels, by: raise_by, store: store}, out: [result]}
  write: {run: edits.write.cwl, in: {counts: count/result, text: text, store: store}, out: [result]}
"""
READERS = {
    "raw": ["add"],
    "other": ["count"],
    "levels": ["raise"],
    "text": ["write"],
    "add": ["double"],
    "double": ["count", "raise"],
    "count": ["write"],
}
"""Inputs and steps → the steps that read them."""


def dependents(name: str) -> set[str]:
    """Return the steps that read an input or the result of a step, directly or not."""
    return {step for reader in READERS.get(name, ()) for step in {reader} | dependents(reader)}


@dataclass
class Lab:
    """A folder with inputs, tools and a run."""

    folder: Path
    graph: Graph
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    code: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOOLS, 0))
    parameters: dict[str, int] = field(default_factory=lambda: {"add_by": 1, "raise_by": 1})
    count: int = 0

    def voxels(self) -> NDArray[np.uint8]:
        self.count += 1
        return np.random.default_rng(self.count).integers(0, 256, SHAPE).astype(np.uint8)

    def write_inputs(self) -> None:
        volume = voxome.create(
            f"zarr://{self.folder}/raw.zarr", voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(16, 16, 16))
        )
        volume[...] = self.voxels()
        self.edit_other()
        self.edit_levels()
        self.edit_text()

    def edit_raw(self) -> set[str]:
        """Change a few voxels in place, in one chunk."""
        z, y, x = (self.chance.randrange(31) for _ in range(3))
        volume = voxome.open(f"{self.folder}/raw.zarr", expect=voxome.Volume, mode="r+")
        volume[z, y, x] = int(volume[z, y, x]) ^ 1
        return dependents("raw")

    def edit_other(self) -> set[str]:
        """Replace a file by another of the same name and size."""
        np.save(self.folder / "other.npy", self.voxels())
        return dependents("other")

    def edit_levels(self) -> set[str]:
        self.count += 1
        write_table(self.folder / "levels.parquet", {"level": np.array([self.count])}, {"level": "int64"})
        return dependents("levels")

    def edit_text(self) -> set[str]:
        self.count += 1
        (self.folder / "text.txt").write_text(f"{self.count:6}")
        return dependents("text")

    def edit_parameter(self) -> set[str]:
        name = self.chance.choice(list(self.parameters))
        self.parameters[name] = 3 - self.parameters[name]
        step = name.removesuffix("_by")
        return {step} | dependents(step)

    def edit_code(self) -> set[str]:
        name = self.chance.choice(list(TOOLS))
        self.code[name] += 1
        self.write_tools()
        return {name} | dependents(name)

    def edit_comment(self) -> set[str]:
        """Change what does not decide results."""
        self.count += 1
        self.write_tools(f"# comment {self.count}\n")
        return set()

    def write_tools(self, comment: str = "") -> None:
        for name, text in TOOLS.items():
            code = HEAD.replace("CODE_NUMBER", str(self.code[name])) + text + comment
            (self.folder / "package" / f"edits_{name}.py").write_text(code)
        reload_tools()

    @property
    def values(self) -> dict[str, Any]:
        files = {"raw": "raw.zarr", "other": "other.npy", "levels": "levels.parquet", "text": "text.txt"}
        return {name: str(self.folder / file) for name, file in files.items()} | self.parameters

    def run(self, progress: Callable[[StepReport], None] | None = None, **options: Any) -> RunRecord:
        plan = make_plan(self.graph, self.values, RunOptions(block=SHAPE))
        return run_plan(plan, out=self.folder / "out", engine="sequential", progress=progress, **options)

    def expected(self) -> tuple[NDArray[Any], int, NDArray[Any], str]:
        """Return the results, computed without voxome."""
        raw = np.asarray(voxome.open(f"{self.folder}/raw.zarr", expect=voxome.Volume)[...])
        levels = TableFile(self.folder / "levels.parquet").read()["level"].sum()
        added = raw + np.uint8(self.parameters["add_by"] + self.code["add"])
        doubled = added * np.uint8(2) + np.uint8(self.code["double"])
        voxels = raw.size + self.code["count"] * len(np.unique(doubled ^ np.load(self.folder / "other.npy")))
        raised = doubled + np.uint8((levels + self.parameters["raise_by"] + self.code["raise"]) % 256)
        text = f"{(self.folder / 'text.txt').read_text()} {voxels} {self.code['write']}"
        return added, voxels, raised, text

    def assert_right(self) -> None:
        added, voxels, raised, text = self.expected()
        out = self.folder / "out"
        assert np.array_equal(voxome.open(f"{out}/added.zarr", expect=voxome.Volume)[...], added)
        assert np.array_equal(voxome.open(f"{out}/raised.zarr", expect=voxome.Volume)[...], raised)
        assert TableFile(out / "counted.parquet").read()["voxels"].sum() == voxels
        assert (out / "written.txt").read_text() == text


def reload_tools() -> None:
    for name in TOOLS:
        sys.modules.pop(f"edits_{name}", None)
    importlib.invalidate_caches()
    look_again()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    package = tmp_path / "package"
    info = package / "edits-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edits\nVersion: 1\n")
    names = {name: "raise_" if name == "raise" else name for name in TOOLS}
    entries = "\n".join(f"edits.{name} = edits_{name}:{function}" for name, function in names.items())
    (info / "entry_points.txt").write_text(f"[voxome.tools]\n{entries}\n")
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = Lab(tmp_path, Graph("", {}, (), {}))
    found.write_tools()
    for name in TOOLS:
        (tmp_path / f"edits.{name}.cwl").write_text(document(load("voxome.tools", f"edits.{name}").spec))
    (tmp_path / "edits.cwl").write_text(WORKFLOW)
    found.graph = load_workflow(tmp_path / "edits.cwl")
    found.write_inputs()
    gc.freeze()  # every step collects garbage, of which the modules of the whole test session are none
    yield found
    reload_tools()


def steps_run(record: RunRecord) -> set[str]:
    return {step["name"] for step in record["steps"] if step["blocks"]["run"]}


@pytest.mark.slow
def test_what_depends_on_an_edit_runs_again_and_nothing_else(lab: Lab) -> None:
    edits = [
        lab.edit_raw,
        lab.edit_other,
        lab.edit_levels,
        lab.edit_text,
        lab.edit_parameter,
        lab.edit_code,
        lab.edit_comment,
    ]
    assert steps_run(lab.run()) == set(TOOLS)
    stale: set[str] = set()
    for _ in range(2 * settings().max_examples):
        edit = lab.chance.choice(edits)
        stale |= edit()
        if lab.chance.random() < 0.2:
            stale -= interrupted(lab, after=lab.chance.randrange(len(TOOLS)))
            continue
        record = lab.run()
        assert steps_run(record) == stale, edit.__name__
        lab.assert_right()
        stale = set()


def interrupted(lab: Lab, after: int) -> set[str]:
    """Run, and interrupt the run after so many steps; return those that ended."""
    ended: list[str] = []

    def stop(report: StepReport) -> None:
        if report.ended:
            ended.append(report.name)
        elif len(ended) > after:
            raise KeyboardInterrupt

    try:
        lab.run(stop)
    except KeyboardInterrupt:
        assert not (lab.folder / "out" / "run.json").exists()
    return set(ended)


@pytest.mark.slow
def test_an_input_replaced_during_a_pause_is_noticed(lab: Lab) -> None:
    interrupted(lab, after=0)
    stale = lab.edit_raw()
    assert steps_run(lab.run()) >= stale
    lab.assert_right()


@pytest.mark.slow
def test_intermediate_data_that_were_cleaned_are_computed_again_only_if_read(lab: Lab) -> None:
    lab.run()
    clean(lab.folder / "out")
    assert steps_run(lab.run()) == set()
    lab.edit_text()
    assert steps_run(lab.run()) == {"write"}
    lab.edit_levels()
    plan = make_plan(lab.graph, lab.values, RunOptions(block=SHAPE))
    announced = preview(plan, out=lab.folder / "out").changes
    record = lab.run()
    assert steps_run(record) == {"double", "raise"}
    assert [line for line in record["changes"] if "double" in line.split(":")[0]] == [
        "step double runs again: its intermediate data, which raise reads, were removed"
    ]
    assert announced == tuple(record["changes"])
    assert len(announced) == 2
    lab.assert_right()


@pytest.mark.slow
def test_results_that_were_removed_are_announced(lab: Lab) -> None:
    lab.run()
    (lab.folder / "out" / "written.txt").unlink()
    record = lab.run()
    assert steps_run(record) == {"write"}
    assert record["changes"] == ["step write runs again: its results were removed"]


@pytest.mark.slow
def test_missing_intermediate_data_need_no_removal(lab: Lab) -> None:
    lab.run()
    clean(lab.folder / "out")
    lab.edit_raw()
    record = lab.run()
    assert steps_run(record) == set(TOOLS)
    assert not [line for line in record["changes"] if "not removed" in line]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["100%25", "run?a=1", "run?level=1", "{store}", "a b#c", "q?"])
def test_a_run_folder_may_have_any_name(lab: Lab, name: str) -> None:
    plan = make_plan(lab.graph, lab.values, RunOptions(block=SHAPE))
    for expected in (set(TOOLS), set()):
        assert steps_run(run_plan(plan, out=lab.folder / name, engine="sequential")) == expected
    elsewhere = run_plan(plan, out=lab.folder / "other", store=lab.folder / f"s {name}", engine="sequential")
    assert steps_run(elsewhere) == set(TOOLS)
    for folder in (name, f"s {name}"):
        assert np.array_equal(
            voxome.open(lab.folder / folder / "added.zarr", expect=voxome.Volume)[...], lab.expected()[0]
        )
    clean(lab.folder / name)
    assert not (lab.folder / name / ".voxome" / "steps").exists()
