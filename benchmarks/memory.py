"""Memory of the whole EM pipeline on phantoms of three sizes, by step, and of the runner.

``python benchmarks/memory.py --folder DIR [--block 40,40,40] [--from-raw] [--workers 2] [SHAPE ...]``. Phantoms and
runs are kept in the folder and reused; remove ``run-*`` to measure again. Every phantom must have a block whose read
box is not clipped, even with the largest halo; this is checked. The ledger distinguishes blocks from folds: the memory
of a block must not grow with the volume; that of a fold and of whole tables may grow with the number of objects.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from voxome.blocks.memory import peak_bytes
from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.write import write_phantom
from voxome.records.sql import SqlRecords
from voxome.workflow.cwl import load
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import Plan, make_plan
from voxome.workflow.verbs import run

SHAPES = ((128, 128, 128), (256, 256, 256), (512, 512, 256))
SEED = 7
WORKFLOW = Path(__file__).parents[1] / "pipelines/em/connectome.cwl"
Triple = tuple[int, int, int]


def triple(text: str) -> Triple:
    """Parse three numbers with commas."""
    z, y, x = (int(part) for part in text.split(","))
    return z, y, x


def planned(phantom: Path, block: Triple, from_raw: bool) -> Plan:
    """Plan the pipeline over a phantom."""
    given = {"raw": str(phantom / "raw.zarr")}
    if not from_raw:
        given["membranes"] = str(phantom / "membranes.zarr")
    return make_plan(load(WORKFLOW), given, RunOptions(block=block))


def check_unclipped(plan: Plan) -> None:
    """Fail if a step has no block whose read box is inside the volume."""
    for step in plan.steps:
        grid = step.phases[0]
        if grid is None or step.tool == "common.downsample":
            continue
        low, high = grid.halo or ((0, 0, 0), (0, 0, 0))
        if not any(block.write.shape == grid.block and block.write.grow(low, high) in grid.domain for block in grid):
            raise SystemExit(f"{step.name}: every read box of blocks of {grid.block} is clipped in {grid.domain}")


def measure(phantom: Path, out: Path, block: Triple, from_raw: bool, workers: int) -> int:
    """Run the pipeline in this process; return its own peak memory in bytes."""
    plan = planned(phantom, block, from_raw)
    check_unclipped(plan)
    run(plan, out=out, workers=workers)
    return peak_bytes()


def peaks(out: Path) -> dict[str, dict[bool, int]]:
    """Return step → whether it was the fold → the largest peak of a job."""
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    names = {step["key"]: step["name"] for step in record["steps"]}
    found: dict[str, dict[bool, int]] = {name: defaultdict(int) for name in names.values()}
    records = SqlRecords.in_file(out / ".voxome" / "run.sqlite")
    for row in records.query("jobs", {}):
        of: Any = row
        step = found[names[of["step_key"]]]
        step[of["phase"] < 0] = max(step[of["phase"] < 0], of["peak_bytes"])
    records.close()
    return found


def table(runs: dict[str, dict[str, dict[bool, int]]]) -> None:
    """Print the peaks of all runs, one line per step."""
    print(f"{'MB':28}" + "".join(f"{name:>14}" for name in runs) + f"{'spread':>9}")
    steps = list(dict.fromkeys(name for found in runs.values() for name in found))
    for fold in (False, True):
        for step in steps:
            cells = [found.get(step, {}).get(fold, 0) for found in runs.values()]
            there = [cell for cell in cells if cell]
            if there:
                spread = max(there) / min(there) - 1
                text = "".join(f"{cell / 1e6:14.0f}" if cell else f"{'':14}" for cell in cells)
                print(f"{step + (' (fold)' if fold else ''):28}{text}{spread:9.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shapes", nargs="*", type=triple, default=SHAPES, metavar="Z,Y,X")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--block", type=triple, default=(40, 40, 40))
    parser.add_argument("--from-raw", action="store_true", help="use the network instead of the true membranes")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    runs: dict[str, dict[str, dict[bool, int]]] = {}
    for shape in given.shapes:
        name = "x".join(map(str, shape))
        phantom = given.folder / f"phantom-{name}"
        if not phantom.exists():
            write_phantom(phantom, PhantomSpec(shape, SEED))
        out = given.folder / f"run-{name}{'-raw' if given.from_raw else ''}"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            runner = pool.submit(measure, phantom, out, given.block, given.from_raw, given.workers).result()
        record = json.loads((out / "run.json").read_text(encoding="utf-8"))
        runs[name] = peaks(out)
        most = max(peak for step in runs[name].values() for peak in step.values())
        print(f"{name}: {record['wall_s']:.0f} s, worker {most / 1e6:.0f} MB, runner {runner / 1e6:.0f} MB", flush=True)
    table(runs)


if __name__ == "__main__":
    main()
