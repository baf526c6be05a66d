"""Defaults take effect as in cwltool, which runs the same workflow with a command that records its arguments."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from cwltool.main import main as cwltool

from voxome.registry import load as load_plugin
from voxome.workflow.bindings import Bindings
from voxome.workflow.cwl import load
from voxome.workflow.describe import document
from voxome.workflow.options import RunOptions

INNER = """
cwlVersion: v1.2
class: Workflow
inputs: {{image: [File, string], at: {at}, store: string, block: string}}
outputs: {{marked: {{type: File, outputSource: mark/result}}}}
steps: {{mark: {{run: {tool}, in: {{image: image, at: {{{source}}}, store: store, block: block}}, out: [result]}}}}
"""
RECORDER = """#!/bin/sh
printf '%s ' "$@" > "$(mktemp '{folder}/XXXXXX')"
echo '{{}}' > result.handle.json
"""
CHOICES = {"job": 1.5, "workflow": 2.5, "step": 3.5, "inner": 4.5, "inner_step": 5.5, "tool": 6.5}
"""Where a value may be set → the value that is set there."""


def input_of(value: float | None) -> str:
    return "double?" if value is None else f"{{type: double, default: {value}}}"


def write_workflow(folder: Path) -> dict[str, float]:
    """Write a workflow with a step for every combination of `CHOICES`; return the values of its inputs."""
    tool = document(load_plugin("voxome.tools", "common.threshold").spec)
    (folder / "set.cwl").write_text(tool.replace("default: 0.5", f"default: {CHOICES['tool']}"))
    (folder / "unset.cwl").write_text(tool.replace("    default: 0.5\n", ""))
    inputs, steps, outputs, job = ["raw: string", "store: string"], [], [], {}
    for number, chosen in enumerate(itertools.product([False, True], repeat=len(CHOICES))):
        value = {name: one if on else None for (name, one), on in zip(CHOICES.items(), chosen, strict=True)}
        inner = f"inner{number}.cwl"
        source = "source: at" if value["inner_step"] is None else f"source: at, default: {value['inner_step']}"
        run = "unset.cwl" if value["tool"] is None else "set.cwl"
        (folder / inner).write_text(INNER.format(at=input_of(value["inner"]), source=source, tool=run))
        inputs.append(f"at{number}: {input_of(value['workflow'])}")
        at = f"source: at{number}" if value["step"] is None else f"source: at{number}, default: {value['step']}"
        block = f'{{default: "{number},1,1"}}'
        bound = f"image: raw, at: {{{at}}}, store: store, block: {block}"
        steps.append(f"s{number}: {{run: {inner}, in: {{{bound}}}, out: [marked]}}")
        outputs.append(f"o{number}: {{type: File, outputSource: s{number}/marked}}")
        if value["job"] is not None:
            job[f"at{number}"] = value["job"]
    parts = {"inputs": inputs, "steps": steps, "outputs": outputs}
    body = "".join(f"{name}:\n" + "".join(f"  {line}\n" for line in lines) for name, lines in parts.items())
    head = "cwlVersion: v1.2\nclass: Workflow\nrequirements: {SubworkflowFeatureRequirement: {}}\n"
    (folder / "outer.cwl").write_text(head + body)
    return job


@pytest.mark.slow
def test_every_combination_of_defaults_is_evaluated_as_by_cwltool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = write_workflow(tmp_path)
    records = tmp_path / "records"
    commands = tmp_path / "bin"
    records.mkdir()
    commands.mkdir()
    (commands / "voxome").write_text(RECORDER.format(folder=records))
    (commands / "voxome").chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    values = {"raw": "raw.npy", "store": str(tmp_path / "store"), **job}
    (tmp_path / "job.yml").write_text("".join(f"{name}: {value}\n" for name, value in values.items()))
    arguments = ["--quiet", "--preserve-entire-environment", "--outdir", str(tmp_path / "out")]
    assert cwltool([*arguments, str(tmp_path / "outer.cwl"), str(tmp_path / "job.yml")]) == 0
    passed = {}
    for path in records.iterdir():
        words = path.read_text().split()
        options = dict(zip(words[2::2], words[3::2], strict=True))
        passed[options["--block"]] = float(options["--at"]) if "--at" in options else None

    graph = load(tmp_path / "outer.cwl")
    bindings = Bindings(graph, values, RunOptions())
    bound = {}
    for node in graph.steps:
        at = bindings.value(node.inputs["at"]) if "at" in node.inputs else None
        bound[bindings.value(node.inputs["block"])] = at
    assert len(bound) == 2 ** len(CHOICES)
    assert bound == passed
