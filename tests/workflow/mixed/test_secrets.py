"""Secrets of workflows of tools of voxome and others: commands get them, and nothing that a run writes has them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from voxome.errors import InvalidInput, RunFailed
from voxome.workflow.verbs import plan, run

CANARY = "canary-4711"
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
$namespaces: {voxome: "https://voxome.org/cwl#", cwltool: "http://commonwl.org/cwltool#"}
hints: {cwltool:Secrets: {secrets: [word]}}
inputs: {raw: File, word: string}
outputs: {copy: {type: File, outputSource: program/out}}
steps:
  fetch:
    in: {volume: raw, word: word}
    out: [made]
    run:
      class: CommandLineTool
      requirements: {EnvVarRequirement: {envDef: {API_TOKEN: $(inputs.word)}}}
      baseCommand: [sh, -c, 'test "$API_TOKEN" = canary"-4711" && cp $0 made.npy']
      arguments: [$(inputs.volume.path)]
      inputs: {volume: File, word: string}
      outputs: {made: {type: File, outputBinding: {glob: made.npy}}}
  program:
    in: {image: fetch/made, word: {default: none}}
    out: [out]
    run:
      class: CommandLineTool
      requirements: {EnvVarRequirement: {envDef: {API_TOKEN: $(inputs.word)}}}
      hints:
        voxome:Blocks:
          block: [16, 16, 16]
          inputs: {image: {format: npy}}
          outputs: {out: {format: npy, dtype: uint8}}
      baseCommand: [sh, -c, 'cat $0 > out.npy']
      arguments: [$(inputs.image.path)]
      inputs: {image: File, word: string}
      outputs: {out: {type: File, outputBinding: {glob: out.npy}}}
"""
OF_BLOCKS = "image: fetch/made, word: {default: none}"


@pytest.fixture
def document(tmp_path: Path, voxels: object) -> Path:
    (tmp_path / "w.cwl").write_text(WORKFLOW)
    return tmp_path / "w.cwl"


def inputs(document: Path) -> dict[str, Any]:
    return {"raw": document.parent / "raw.npy", "word": CANARY}


@pytest.mark.slow
def test_nothing_in_a_run_folder_has_a_secret(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["voxome", "run", "w.cwl", "--set", f"word={CANARY}"])
    out = document.parent / "out"
    record = run(document, inputs(document), out=out, workers=1, engine="threads")
    assert record["inputs"]["word"] == "***"
    assert record["command"].endswith("'word=***'")
    assert [path for path in out.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []
    again = run(document, inputs(document), out=out, workers=1, engine="threads")
    assert all(step["blocks"]["run"] == 0 for step in again["steps"])
    assert plan(document, inputs(document)).key == record["plan"]
    assert plan(document, {**inputs(document), "word": "another"}).key != record["plan"]


def test_a_step_of_blocks_gets_no_secret(document: Path) -> None:
    document.write_text(WORKFLOW.replace(OF_BLOCKS, "image: raw, word: word"))
    with pytest.raises(InvalidInput, match=r"step program is given the input word, a secret .*native\?variables=NAME"):
        plan(document, inputs(document))


@pytest.mark.slow
def test_a_step_of_blocks_that_is_planned_during_the_run_gets_no_secret(document: Path) -> None:
    document.write_text(WORKFLOW.replace(OF_BLOCKS, "image: fetch/made, word: word"))
    with pytest.raises(RunFailed, match=r"step program is given a secret"):
        run(document, inputs(document), out=document.parent / "out", workers=1, engine="threads")


def test_a_workflow_of_blocks_only_has_no_secrets(document: Path) -> None:
    steps = WORKFLOW[WORKFLOW.index("  program:") :].replace(OF_BLOCKS, "image: raw, word: word")
    document.write_text(WORKFLOW[: WORKFLOW.index("  fetch:")] + steps)
    with pytest.raises(InvalidInput, match=r"w.cwl:5:\d+: the workflow has cwltool:Secrets, but inputs of steps"):
        plan(document, inputs(document))
