"""The hint voxome:Blocks: everything in it is checked, with file and line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from workflow.block_programs import COPY_STEP, SEGMENT, copy_tool, write_workflow

from voxome.contracts.command_tool import CommandDefinition, HaloNm
from voxome.errors import InvalidInput
from voxome.workflow.blocks_hint import parse_blocks_hint
from voxome.workflow.cwl import load
from voxome.workflow.graph import FromInput, FromStep

TABLE = "{format: csv, kind: table, columns: {n: int64, score: float64}%s}"


def problems_of(tmp_path: Path, tool: str) -> str:
    with pytest.raises(InvalidInput) as error:
        load(write_workflow(tmp_path, COPY_STEP, tool))
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hint": "halo: many"}, "halo is 'many'; expected voxels, as 8 or [8, 8, 8] (z, y, x), or {nm: [80, 80, 80]}"),
        ({"hint": "halo: {mm: [1, 1, 1]}"}, "halo is {'mm': [1, 1, 1]}; expected voxels"),
        ({"hint": "halo: [1, -1, 1]"}, "halo is (1, -1, 1); expected lengths of at least 0"),
        ({"hint": "block: 8"}, "block is 8; expected three voxels"),
        ({"hint": "block: [8, 0, 8]"}, "block is [8, 0, 8]; expected at least 1 voxel"),
        ({"hint": "blocks: [8, 8, 8]"}, "Unknown field of voxome:Blocks 'blocks'; did you mean 'block'?"),
        ({"image": "{format: png}"}, "'png': expected one of 'npy', 'hdf5', 'tiff', 'nifti', 'zarr'"),
        ({"image": "{axes: xyz}"}, "inputs.image.format is missing"),
        ({"image": "{format: npy, axes: xy}"}, "input 'image' has the axes 'xy'"),
        ({"image": "{format: npy, axes: xyzz}"}, "input 'image' has the axes 'xyzz'"),
        ({"image": "{format: npy, dtype: byt}"}, "input 'image' has the dtype 'byt'"),
        ({"image": "{format: npy, dtype: object}"}, "input 'image' has the dtype 'object'"),
        ({"image": "{format: hdf5}"}, "input 'image' needs the name of its dataset"),
        ({"image": "{format: npy, dataset: a}"}, "only hdf5 has a dataset"),
        ({"image": "{format: npy, axes: xyzc, kind: labels}"}, "channels, which labels cannot have"),
        ({"out": "{format: npy}"}, "output 'out' needs its dtype"),
        ({"out": "{format: npy, kind: label}"}, "expected one of 'image', 'probability', 'labels'"),
        ({"out": "{format: npy, kind: labels}"}, "say how those of blocks are joined"),
        ({"out": "{format: npy, dtype: uint8, ids: image}"}, "stitch or ids, which are for kind: labels"),
        ({"out": "{format: npy, kind: labels, ids: image}"}, "input of labels, of which the output 'out' has the ids,"),
        ({"out": "{format: npy, kind: labels, stitch: {rule: overlaps}}"}, "'overlaps': expected one of 'overlap'"),
        (
            {"out": "{format: npy, kind: labels, stitch: {rule: none, share: 1}}"},
            "field of voxome:Blocks.outputs.out.stit",
        ),
        (
            {"out": "{format: npy, kind: labels, stitch: {rule: overlap, fraction: 0}}"},
            "fraction 0; expected more than 0",
        ),
        (
            {"hint": "halo: 0", "out": "{format: npy, kind: labels, stitch: {rule: overlap}}"},
            "joined by overlap, for which blocks need a halo",
        ),
        (
            {"out": "{format: npy, kind: labels, extent: write, stitch: {rule: overlap}}"},
            "joined by overlap, for which blocks need a halo",
        ),
        ({"out": "{format: npy, axes: xyzc, dtype: uint8}"}, "needs channels, the length of the axis c"),
        ({"out": "{format: csv, kind: table}"}, "output 'out' needs columns"),
        ({"out": TABLE % ", key: [score]"}, "the key 'score' is float64; expected whole numbers"),
        ({"out": TABLE % ", key: m"}, "Unknown column of the output 'out' 'm'"),
        (
            {"out": TABLE % ", key: n, fold: {score: sum}"},
            "column 'score' is float64; only whole numbers can be summed",
        ),
        ({"out": TABLE % ", fold: {score: max}"}, "fold names score; it must name n, score"),
        ({"out": TABLE % ", positions: {columns: [a, b, c]}"}, "say which axis each of the columns a, b, c has"),
        ({"out": TABLE % ", position: {columns: [x, y, z]}"}, "'position'; did you mean 'positions'?"),
        (
            {"more": "requirements: {InplaceUpdateRequirement: {inplaceUpdate: true}}"},
            "requires InplaceUpdateRequirement",
        ),
    ],
)
def test_problems_are_named_with_file_and_line(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    text = problems_of(tmp_path, copy_tool(**changes))
    assert message in text
    assert "tool.cwl:" in text


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = problems_of(
        tmp_path, copy_tool(hint="halo: many", image="{format: npy, axes: xy}", out="{format: png, dtype: uint8}")
    )
    assert "halo is 'many'" in text
    assert "input 'image' has the axes 'xy'" in text
    assert "'png': expected one of" in text
    assert text.count("tool.cwl:") == 3


def test_fields_are_listed_once(tmp_path: Path) -> None:
    text = problems_of(tmp_path, copy_tool(out="{format: npy, dtype: uint8, zzzzz: 1}"))
    assert "Known: axes, channels, dataset, dtype, extent, format, ids, kind, stitch" in text


def test_an_unknown_field_hides_no_other_problem_of_its_port(tmp_path: Path) -> None:
    out = "{format: npy, kind: labels, axes: xy, zzzzz: 1, stitch: {rule: none, fraction: 2, share: 1}}"
    text = problems_of(tmp_path, copy_tool(image="{format: npy, axes: yx, axis: 1}", out=out))
    assert "Unknown field of voxome:Blocks.inputs.image 'axis'" in text
    assert "input 'image' has the axes 'yx'" in text
    assert "Unknown field of voxome:Blocks.outputs.out 'zzzzz'" in text
    assert "Unknown field of voxome:Blocks.outputs.out.stitch 'share'" in text
    assert "output 'out' has the axes 'xy'" in text
    assert "fraction 2; expected more than 0" in text


@pytest.mark.slow
def test_ports_and_outputs_that_do_not_fit_the_tool_are_named(tmp_path: Path) -> None:
    tool = copy_tool()
    assert "'img'; did you mean 'image'?" in problems_of(
        tmp_path, tool.replace("inputs: {image: {f", "inputs: {img: {f")
    )
    more = tool.replace("outputs: {out: {type", "outputs: {log: {type: File, outputBinding: {glob: log}}, out: {type")
    assert "voxome:Blocks says nothing of the output 'log'" in problems_of(tmp_path, more)
    evaluated = tool.replace("glob: out.npy", "glob: out.npy, outputEval: '$(self[0])'")
    assert "has outputEval; expected only glob" in problems_of(tmp_path, evaluated)
    secondary = tool.replace("inputs: {image: File}", "inputs: {image: {type: File, secondaryFiles: [.idx]}}")
    assert "has secondaryFiles, which is not kept" in problems_of(tmp_path, secondary)
    secrets = '"http://commonwl.org/cwltool#Secrets": {secrets: [image]}'
    assert "has cwltool:Secrets" in problems_of(tmp_path, tool.replace("hints:", f"hints:\n  {secrets}", 1))
    files = tool.replace("inputs: {image: File}", "inputs: {image: File, models: 'File[]'}")
    assert "expected" in problems_of(tmp_path, files.replace("'File[]'", "{type: array, items: Directory}"))


def test_a_tool_is_a_step_and_those_that_join_its_labels(tmp_path: Path) -> None:
    (tmp_path / "segment.cwl").write_text(SEGMENT.replace("halo: [12, 12, 12]", "halo: {nm: [120, 120, 120]}"))
    graph = load(tmp_path / "segment.cwl")
    names = ["segment", "segment.labels_pairs", "segment.labels_union", "segment.labels"]
    assert [node.name for node in graph.steps] == names
    assert graph.outputs == {"labels": FromStep("segment.labels", "result"), "cells": FromStep("segment", "cells")}
    assert graph.steps[0].inputs["image"] == FromInput("image")
    assert graph.inputs["sigma"].default == 1.0
    definition = graph.steps[0].command.definition
    assert definition.halo == HaloNm(nm=(120, 120, 120))
    assert definition.block == (32, 32, 32)
    assert CommandDefinition.from_json(definition.to_json()) == definition


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("$(inputs.long)", "9007199254740993"),
        ("$(inputs.mode)", "b"),
        ("$(runtime.outdir)/x", "/voxome-block/work/x"),
        ("$(inputs.image.path)", "/voxome-block/inputs/image/image.npy"),
    ],
)
def test_command_lines_have_the_values_of_parameters(tmp_path: Path, argument: str, expected: str) -> None:
    ports = """
  image: File
  number: {type: double, default: 9.999e-7, inputBinding: {position: 1}}
  long: {type: long, default: 9007199254740993}
  mode: {type: {type: enum, symbols: [a, b]}, default: b}
"""
    tool = copy_tool(f"[echo, {argument}]").replace("inputs: {image: File}", f"inputs:{ports}")
    step = load(write_workflow(tmp_path, COPY_STEP, tool)).steps[0]
    values = {"number": 9.999e-7, "long": 9007199254740993, "mode": "b"}
    line = step.command.bind(values, {"image": None}).definition.line
    assert line is not None
    assert line.argv == ("echo", expected, "0.0000009999")


def test_an_inline_tool_has_the_name_of_its_step(tmp_path: Path) -> None:

    for name in ("a.cwl", "b.cwl"):
        lines = ["cwlVersion: v1.2", "class: Workflow", "inputs: {raw: File}"]
        lines += ["outputs: {out: {type: File, outputSource: copy/out}}", "steps:", "  copy:", "    in: {image: raw}"]
        body = textwrap.indent(copy_tool(hint="halo: 2").replace("cwlVersion: v1.2\n", ""), "      ")
        (tmp_path / name).write_text("\n".join([*lines, "    out: [out]", "    run:", body]))
        assert load(tmp_path / name).steps[0].tool == "copy"


def test_a_key_that_is_no_text_is_an_unknown_field() -> None:
    text = "class: x\nnull: 8\ninputs: {image: {format: npy}}\noutputs: {out: {format: npy, dtype: uint8}}\n"
    tool = {"inputs": [{"id": "t.cwl#image", "type": "File"}], "outputs": [{"id": "t.cwl#out", "type": "File"}]}
    problems: list[str] = []
    assert parse_blocks_hint(YAML().load(text), tool, problems) is None
    assert any("Unknown field of voxome:Blocks 'None'" in one for one in problems)
