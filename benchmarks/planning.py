"""Time and memory of a plan with 10^6 blocks per step: five steps over an empty volume of 6,400^3 voxels.

``python benchmarks/planning.py [--edge 6400]``. The volume is a zarr array without any chunks; blocks are 64^3. Time
is that of `make_plan`, of the plan as JSON with the sizes of its steps, and of counting the jobs of all steps. Memory
is the growth of the peak resident set of this process. The first of the three plans includes imports; the second, of
one block per step, and the third, large again, show what grows with the number of blocks.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time

import voxome
from voxome.blocks.memory import peak_bytes, reset_peak
from voxome.workflow.graph import Constant, FromInput, FromStep, Graph, GraphInput, Node
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan

BLOCK = (64, 64, 64)


def chain() -> Graph:
    """Return five steps: three of arrays, one of a table, one of regions, which has an eighth more blocks."""
    raw, marked = FromInput("raw"), FromStep("threshold", "result")
    steps = (
        Node("statistics", "common.statistics", "1", {"image": raw}),
        Node("threshold", "common.threshold", "1", {"image": raw, "at": Constant(100)}),
        Node("fragments", "em.fragments", "1", {"membranes": marked}),
        Node("join", "em.fragments_join", "1", {"basins": FromStep("fragments", "basins")}),
        Node("touching", "common.touching", "1", {"labels": FromStep("fragments", "basins")}),
    )
    return Graph("chain", {"raw": GraphInput("raw", ("string",), True)}, steps, {})


def measure(edge: int) -> tuple[float, int]:
    """Return the seconds and bytes to plan over a volume of `edge`^3 voxels."""
    with tempfile.TemporaryDirectory() as folder:
        uri = f"zarr://{folder}/raw.zarr"
        voxome.create(uri, voxome.VolumeSpec.of((edge,) * 3, "uint8", chunk=BLOCK, voxel_size_nm=(10, 10, 10)))
        reset_peak()
        before, began = peak_bytes(), time.perf_counter()
        plan = make_plan(chain(), {"raw": uri}, RunOptions(block=BLOCK))
        text = json.dumps(plan.to_json())
        jobs = sum(step.jobs(phase) for step in plan.steps for phase in range(len(step.phases)))
        seconds, grown = time.perf_counter() - began, peak_bytes() - before
    blocks = sum(step.total for step in plan.steps)
    print(f"{edge}^3 voxels: {len(plan.steps)} steps, {blocks:,} blocks, {jobs:,} jobs, {len(text):,} bytes of JSON")
    return seconds, grown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=6400, help="voxels along each axis; blocks have 64")
    given = parser.parse_args()
    for edge in (given.edge, BLOCK[0], given.edge):
        seconds, grown = measure(edge)
        print(f"  {seconds:.3f} s, {grown / 1e6:.1f} MB more, {peak_bytes() / 1e6:.0f} MB in all", flush=True)


if __name__ == "__main__":
    main()
