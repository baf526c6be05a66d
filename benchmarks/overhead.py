"""Overhead of the runner per block: tools that do nothing over 10,000 blocks, with `run_step` and worker processes.

``python benchmarks/overhead.py [--workers 2] [--repeats 3]``. Three tools: one reads nothing, one reads each block
of 8x8x8 voxels (one chunk), one also writes it. The result is the wall time of `run_step` per block: folder and array
of the step, jobs, ledger, parts, and the fold of the table. Workers are started by a step before it. On a busy machine,
wall time is unreliable; CPU time is that of the runner and workers, including their start.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from pathlib import Path

import noop
import numpy as np

import voxome
from voxome.blocks.runner import run_step
from voxome.blocks.step import Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.engines.local import LocalEngine
from voxome.geometry import Box
from voxome.records.sql import SqlRecords

EDGE = 8
BLOCKS = (25, 20, 20)
WHAT = {"nothing": "reads nothing, no rows", "read": "reads a chunk, no rows", "copy": "reads and writes a chunk"}


def make_volume(path: Path) -> Handle:
    """Create a volume with one chunk per block."""
    shape = [n * EDGE for n in BLOCKS]
    made = voxome.create(f"zarr://{path}", voxome.VolumeSpec.of(shape, "uint8", chunk=(EDGE,) * 3))
    made[...] = np.random.default_rng(0).integers(1, 255, shape, dtype=np.uint8)
    return Handle("volume", f"zarr://{path}", "raw")


def step(tool: str, version: str, raw: Handle, box: Box | None = None) -> Step:
    """Return a step of a no-op tool; with another version, it is run again."""
    domain = Box.of_shape(n * EDGE for n in BLOCKS)
    inputs = {} if tool == "nothing" else {"image": raw}
    frame = Frame(domain, box or domain, None, (0.0, 0.0, 0.0))
    return Step(
        name="noop",
        tool=f"bench.{tool}",
        version=version,
        parameters={},
        inputs=inputs,
        frame=frame,
        block=(EDGE,) * 3,
    )


def cpu_s() -> float:
    """Return the CPU seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ms_a_block(tool: str, repeats: int, workers: int) -> tuple[list[float], float]:
    """Return milliseconds per block: wall time of each step, CPU time of all, in a new folder and with new workers."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        raw = make_volume(store / "raw.zarr")
        engine = LocalEngine(workers=workers, log=store / "log", command=(sys.executable, noop.__file__))
        records = SqlRecords.in_file(store / "run.sqlite")
        before = cpu_s()
        try:
            first = Box.of_shape((EDGE, EDGE, EDGE * BLOCKS[2]))
            run_step(step(tool, "warm", raw, first), folder, engine, records)
            reports = [run_step(step(tool, f"run{i}", raw), folder, engine, records) for i in range(repeats)]
        finally:
            engine.close()
            records.close()
    blocks = reports[0].total
    return [1e3 * report.wall_s / blocks for report in reports], 1e3 * (cpu_s() - before) / (blocks * repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    noop.register()
    print(f"{'tool':28}{'median':>8}{'best':>8}{'worst':>8}{'CPU':>8}   ms a block of 10,000, {given.workers} workers")
    for tool, what in WHAT.items():
        wall, cpu = ms_a_block(tool, given.repeats, given.workers)
        print(f"{what:28}{statistics.median(wall):8.3f}{min(wall):8.3f}{max(wall):8.3f}{cpu:8.3f}", flush=True)


if __name__ == "__main__":
    main()
