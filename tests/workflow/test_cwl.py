"""Workflows as flat graphs."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.errors import InvalidInput, NotFound
from voxome.registry import load as load_plugin
from voxome.workflow.cwl import Constant, FromInput, FromStep, load
from voxome.workflow.describe import document

INNER = """
cwlVersion: v1.2
class: Workflow
inputs:
  image: [File, string]
  level: double?
  fixed: {type: double, default: 7.5}
  store: string
outputs:
  marked: {type: File, outputSource: again/result}
steps:
  again:
    run: tool.cwl
    in: {image: first/result, at: {source: level, default: 0.75}, store: store}
    out: [result]
  first:
    run: tool.cwl
    in: {image: image, at: fixed, store: store, workers: {default: 3}}
    out: [result]
"""
OUTER = """
cwlVersion: v1.2
class: Workflow
requirements: {SubworkflowFeatureRequirement: {}}
inputs:
  raw: {type: [File, string], doc: voxels}
  level: double?
  count: {type: int, default: 4}
  store: string
outputs:
  mask: {type: File, outputSource: outer/marked}
  grey: {type: File, outputSource: before/result}
steps:
  outer:
    run: inner.cwl
    in: {image: before/result, level: level, store: store}
    out: [marked]
  before:
    run: tool.cwl
    in: {image: raw, store: store, at: level}
    out: [result]
"""
ONE_STEP = """
cwlVersion: v1.2
class: Workflow
requirements:
  ScatterFeatureRequirement: {}
  MultipleInputFeatureRequirement: {}
  StepInputExpressionRequirement: {}
inputs: {raw: string, raws: "string[]", store: string}
outputs: {}
steps:
  mark:
    run: tool.cwl
    in: {image: raw, store: store}
    out: [result]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tool = document(load_plugin("voxome.tools", "common.threshold").spec)
    for name, text in {"tool": tool, "inner": INNER, "outer": OUTER, "one": ONE_STEP}.items():
        (tmp_path / f"{name}.cwl").write_text(text)
    return tmp_path


@pytest.mark.slow
def test_sub_workflows_are_flattened_in_order(folder: Path) -> None:
    graph = load(folder / "outer.cwl")
    assert graph.name == "outer"
    assert [step.name for step in graph.steps] == ["before", "outer.first", "outer.again"]
    assert {(step.tool, step.version) for step in graph.steps} == {("common.threshold", "1")}
    assert graph.outputs == {"mask": FromStep("outer.again", "result"), "grey": FromStep("before", "result")}
    before, first, again = graph.steps
    assert before.inputs["image"] == FromInput("raw")
    assert first.inputs["image"] == FromStep("before", "result")
    assert again.inputs["image"] == FromStep("outer.first", "result")
    assert {step.inputs["store"] for step in graph.steps} == {FromInput("store")}


@pytest.mark.slow
def test_unset_inputs_take_the_innermost_default(folder: Path) -> None:
    before, first, again = load(folder / "outer.cwl").steps
    assert before.inputs["at"] == FromInput("level", 0.5)
    assert first.inputs["at"] == Constant(7.5)
    assert first.inputs["workers"] == Constant(3)
    assert again.inputs["at"] == FromInput("level", 0.75)
    assert "block" not in first.inputs


@pytest.mark.slow
def test_inputs_have_types_defaults_and_documentation(folder: Path) -> None:
    inputs = load(folder / "outer.cwl").inputs
    assert (inputs["raw"].types, inputs["raw"].required, inputs["raw"].doc) == (("File", "string"), True, "voxels")
    assert (inputs["level"].types, inputs["level"].required) == (("double",), False)
    assert (inputs["count"].required, inputs["count"].default) == (False, 4)
    assert inputs["level"].read("0.25") == 0.25
    assert inputs["raw"].read("12") == "12"
    assert inputs["level"].read("high") == "high"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v1.0", "v1.1"])
def test_older_versions_are_read(folder: Path, version: str) -> None:
    expected = load(folder / "outer.cwl")
    for path in folder.glob("*.cwl"):
        path.write_text(path.read_text().replace("cwlVersion: v1.2", f"cwlVersion: {version}"))
    assert load(folder / "outer.cwl") == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("run: tool.cwl", "run: tool.cwl\n    scatter: image", r"one.cwl:13:5: step mark has 'scatter'"),
        (
            "image: raw",
            "image: {source: [raw, store], pickValue: the_only_non_null}",
            r"one.cwl:13:\d+: step mark joins 2 sources at 'image'",
        ),
        (
            "image: raw",
            "image: {default: a, valueFrom: b}",
            r"one.cwl:13:\d+: input 'image' of step mark has 'valueFrom'",
        ),
        (
            "raw: string,",
            "raw: {type: string, format: 'https://a.org/b'},",
            r"one.cwl:8:\d+: the input 'raw' has 'format'",
        ),
        (
            "raw: string,",
            "raw: Any, other: 'Directory[]',",
            r"(?s)8:\d+: the input 'other' has the type array; supp.*'raw' .* Any",
        ),
        (
            "raw: string,",
            "raw: {type: File, default: {class: File, contents: a}},",
            r"the input 'raw' has a default that voxome",
        ),
        (
            "outputs: {}",
            "outputs: {raw: {type: string, outputSource: raw}}",
            r"one.cwl:9:\d+: the output 'raw' is an input",
        ),
        ("outputs: {}", "outputs: {raw: string?}", r"one.cwl:9:\d+: the output 'raw' is an input, or has no source"),
        (
            "requirements:",
            "requirements:\n  EnvVarRequirement: {envDef: {A: b}}\n  NetworkAccess: {networkAccess: true}",
            r"(?s)one.cwl:5:3: the workflow requires EnvVarRequirement; supported: .*6:3: the workflow requires ",
        ),
        (
            "run: tool.cwl",
            "run: tool.cwl\n    requirements: {WorkReuse: {enableReuse: true}}",
            r"step mark requires WorkReuse",
        ),
        ("image: raw", "image: raw, imag: raw", r"step mark has no input 'imag'; its inputs: at, block, image"),
        ("run: tool.cwl", "run: other.cwl", r"step mark does not run a voxome tool"),
        ("image: raw", "image: rav", r"one.cwl:13:10:\s+checking object .*\s+.*unknown identifier 'rav'"),
        ("raw: string", "raw: strin", r"one.cwl:8:\d+:\s+checking object .*\s+.*unknown identifier 'strin'"),
        ("image: raw", "image: mark/result", "circular"),
        ("run: tool.cwl", "run: none.cwl", r"undefined reference to .*none.cwl"),
        ("run: tool.cwl", "run: one.cwl", "contains itself as a step"),
        ("cwlVersion: v1.2", "cwlVersion: v9", "Supported versions"),
        ("steps:", "steps: [", r"one.cwl:\d+:"),
    ],
)
def test_a_problem_is_reported_with_file_and_line(folder: Path, old: str, new: str, message: str) -> None:
    text = ONE_STEP.replace(old, new, 1)
    if "scatter" in new:
        text = text.replace("image: raw", "image: raws")
    (folder / "one.cwl").write_text(text)
    other = (folder / "tool.cwl").read_text().replace("voxome:Tool", "voxome:Other")
    (folder / "other.cwl").write_text(other)
    with pytest.raises(InvalidInput, match=message):
        load(folder / "one.cwl")


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    text = ONE_STEP.replace("image: raw", "image: {source: [raw, store], pickValue: the_only_non_null}, imag: raw")
    (folder / "one.cwl").write_text(text)
    with pytest.raises(InvalidInput, match=r"(?s)joins 2 sources.*has no input 'imag'"):
        load(folder / "one.cwl")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("inputs:", "arguments: [--at, '100']\ninputs:", r"tool.cwl:15:1: the tool common.threshold has 'arguments'"),
        ("inputs:", "stdout: log.txt\ninputs:", r"tool.cwl:15:1: the tool common.threshold has 'stdout'"),
        (
            "- voxome",
            "- vox",
            r"tool.cwl:11:1: the tool common.threshold has another baseCommand; expected \['voxome', 'tool'",
        ),
        (
            "inputs:",
            "requirements: {DockerRequirement: {dockerPull: a}}\ninputs:",
            r"tool.cwl:15:16: .* requires DockerReq",
        ),
        ("prefix: --at", "prefix: --other", r"tool.cwl:26:5: the tool's input 'at' is passed in another way .*'--at'"),
        ("prefix: --at", "prefix: --at\n      separate: false", r"the tool's input 'at' is passed in another way"),
        ("glob: result", "glob: other", r"tool.cwl:\d+:5: the tool's output 'result' is not the handle file"),
        ("  result:\n", "  result:\n    secondaryFiles: [.log]\n", r"the tool's output 'result' has 'secondaryFiles'"),
    ],
)
def test_an_edited_tool_document_is_refused_by_line(folder: Path, old: str, new: str, message: str) -> None:
    path = folder / "tool.cwl"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InvalidInput, match=message):
        load(folder / "outer.cwl")


@pytest.mark.slow
def test_a_tool_that_several_steps_run_is_reported_once(folder: Path) -> None:
    path = folder / "tool.cwl"
    path.write_text(path.read_text().replace("inputs:", "stdout: log.txt\ninputs:", 1))
    with pytest.raises(InvalidInput) as caught:
        load(folder / "outer.cwl")
    assert str(caught.value).count("'stdout'") == 1


@pytest.mark.slow
def test_hints_and_metadata_of_others_are_accepted(folder: Path) -> None:
    expected = load(folder / "outer.cwl")
    path = folder / "tool.cwl"
    text = path.read_text().replace("hints:", "s:author: A. Body\nhints:\n  ResourceRequirement: {coresMin: 512}", 1)
    path.write_text(text.replace("$namespaces:", "$namespaces:\n  s: https://schema.org/", 1))
    assert load(folder / "outer.cwl") == expected


def test_only_workflows_are_accepted(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="is a CommandLineTool"):
        load(folder / "tool.cwl")
    with pytest.raises(NotFound, match=r"none\.cwl does not exist"):
        load(folder / "none.cwl")


def test_a_folder_is_no_workflow(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a folder; expected the path of a CWL file"):
        load(tmp_path)
