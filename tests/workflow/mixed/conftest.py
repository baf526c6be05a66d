"""A workflow of tools of voxome and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).parents[3] / "pipelines" / "tools"
WORKFLOW = f"""
cwlVersion: v1.2
class: Workflow
requirements: [class: ScatterFeatureRequirement, class: SubworkflowFeatureRequirement,
  class: MultipleInputFeatureRequirement, class: StepInputExpressionRequirement]
$namespaces: {{voxome: "https://voxome.org/cwl#"}}
inputs:
  {{raw: File, levels: "double[]", wanted: {{type: boolean, default: false}}, pause: {{type: string, default: "0"}}}}
outputs:
  mask: {{type: File, outputSource: mark/result}}
  copy: {{type: File, outputSource: inner/out}}
  masks: {{type: "File[]", outputSource: each/result}}
  lines: {{type: File, outputSource: count/out}}
  nothing: {{type: File?, outputSource: skipped/out}}
steps:
  make:
    in: {{volume: raw, pause: pause}}
    out: [out, at]
    run: &make
      class: CommandLineTool
      baseCommand: [sh, -c, 'sleep $2; cp $0 made.npy; printf 100 > at; exit $1']
      arguments: [$(inputs.volume.path), "0", $(inputs.pause)]
      inputs: {{volume: File, pause: string}}
      outputs:
        out: {{type: File, outputBinding: {{glob: made.npy}}}}
        at: {{type: double, outputBinding: {{glob: at, loadContents: true, outputEval: "$(self[0].size)"}}}}
  mark:
    run: {TOOLS}/common.threshold.cwl
    in: {{image: make/out, at: make/at, store: {{default: nowhere}}}}
    out: [result]
  inner:
    in: {{image: mark/result, pause: pause}}
    out: [out]
    run:
      class: Workflow
      inputs: {{image: File, pause: string}}
      outputs: {{out: {{type: File, outputSource: program/out}}}}
      steps:
        program:
          in: {{image: image, pause: pause}}
          out: [out]
          run:
            class: CommandLineTool
            hints:
              voxome:Blocks:
                block: [8, 8, 8]
                inputs: {{image: {{format: npy}}}}
                outputs: {{out: {{format: npy, dtype: uint8}}}}
            baseCommand: [sh, -c, 'sleep $1; cat $0 > out.npy']
            arguments: [$(inputs.image.path), $(inputs.pause)]
            inputs: {{image: File, pause: string}}
            outputs: {{out: {{type: File, outputBinding: {{glob: out.npy}}}}}}
  each:
    scatter: at
    run: {TOOLS}/common.threshold.cwl
    in: {{image: make/out, at: levels, store: {{default: nowhere}}}}
    out: [result]
  skipped:
    when: $(inputs.wanted)
    in: {{volume: raw, wanted: wanted, pause: pause}}
    out: [out]
    run: *make
  count:
    in: {{handles: {{source: [mark/result, each/result], linkMerge: merge_flattened}}, pause: pause}}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: [sh, -c, 'sleep $0; cat "$@" | wc -l', $(inputs.pause)]
      inputs: {{handles: {{type: "File[]", inputBinding: {{position: 1}}}}, pause: string}}
      stdout: lines.txt
      outputs: {{out: stdout}}
"""


@pytest.fixture
def voxels(tmp_path: Path) -> np.ndarray:
    """Voxels of the volume ``raw.npy``."""
    values = np.random.default_rng(1).integers(0, 255, (10, 12, 14), np.uint8)
    np.save(tmp_path / "raw.npy", values)
    return values


@pytest.fixture
def workflow(tmp_path: Path, voxels: np.ndarray) -> Path:
    """Path of the workflow, beside its volume."""
    (tmp_path / "mixed.cwl").write_text(WORKFLOW)
    return tmp_path / "mixed.cwl"
