"""Foreign tools: CWL documents of programs that run over blocks, and volumes for them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PROGRAMS = Path(__file__).parent / "programs"
SEGMENT = f"""
cwlVersion: v1.2
class: CommandLineTool
$namespaces: {{voxome: "https://voxome.org/cwl#"}}
hints:
  voxome:Blocks:
    halo: [12, 12, 12]
    block: [32, 32, 32]
    inputs: {{image: {{format: npy, axes: xyz, dtype: uint8}}}}
    outputs:
      labels: {{format: npy, axes: xyz, kind: labels, extent: read, stitch: {{rule: overlap, fraction: 0.5}}}}
      cells:
        format: csv
        kind: table
        positions: {{columns: [x, y, z], unit: voxels}}
        columns: {{x: int64, y: int64, z: int64, value: int64}}
        key: null
baseCommand: [{sys.executable}, {PROGRAMS / "segment.py"}]
arguments: [--labels, labels.npy, --cells, $(inputs.image.nameroot).csv]
inputs:
  image: {{type: File, inputBinding: {{prefix: --image}}}}
  sigma: {{type: float, default: 1.0, inputBinding: {{prefix: --sigma}}}}
outputs:
  labels: {{type: File, outputBinding: {{glob: labels.npy}}}}
  cells: {{type: File, outputBinding: {{glob: $(inputs.image.nameroot).csv}}}}
"""
SEGMENT_STEP = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: File, sigma: float?}
outputs:
  segments: {type: File, outputSource: segment/labels}
  cells: {type: File, outputSource: segment/cells}
steps:
  segment: {run: tool.cwl, in: {image: raw, sigma: sigma}, out: [labels, cells]}
"""
COPY_STEP = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: File}
outputs: {out: {type: File, outputSource: copy/out}}
steps: {copy: {run: tool.cwl, in: {image: raw}, out: [out]}}
"""


def copy_tool(
    argv: str = "[cp, $(inputs.image), out.npy]",
    *,
    hint: str = "halo: 2, block: [8, 8, 8]",
    image: str = "{format: npy}",
    out: str = "{format: npy, dtype: uint8}",
    glob: str = "out.npy",
    more: str = "",
) -> str:
    """Return a tool with one volume in and one out, which copies its file unless `argv` says otherwise."""
    return f"""
cwlVersion: v1.2
class: CommandLineTool
$namespaces: {{voxome: "https://voxome.org/cwl#"}}
hints:
  voxome:Blocks:
    {{{hint}, inputs: {{image: {image}}}, outputs: {{out: {out}}}}}
baseCommand: []
arguments: {argv}
inputs: {{image: File}}
outputs: {{out: {{type: File, outputBinding: {{glob: {glob}}}}}}}
{more}
"""


def write_workflow(folder: Path, workflow: str, tool: str) -> Path:
    """Write a workflow and its tool, and return the path of the workflow."""
    (folder / "tool.cwl").write_text(tool)
    (folder / "workflow.cwl").write_text(workflow)
    return folder / "workflow.cwl"


def balls(side: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return touching balls on a jittered lattice (z, y, x), brightest in their centres."""
    rng = np.random.default_rng(seed)
    image = np.zeros((side,) * 3)
    grid = np.indices(image.shape)
    for centre in np.argwhere(np.ones((side // 10,) * 3)) * 10 + 6:
        point, radius = centre + rng.integers(-1, 2, 3), rng.uniform(4, 5)
        squares = sum((axis - at) ** 2 for axis, at in zip(grid, point, strict=True))
        image = np.maximum(image, np.where(squares < radius**2, 250 - 4 * squares, 0))
    return image.clip(0, 255).astype(np.uint8)
