"""Overhead of the runner per block: tools that do nothing over 10,000 blocks, with `run_step` and worker processes.

``python benchmarks/overhead.py [--workers 2] [--repeats 3] [--blocks 25,20,20]``. Three tools: one reads nothing, one
reads each block of 8x8x8 voxels (one chunk), one also writes it. The result is the wall time of `run_step` per block:
folder and array of the step, jobs, ledger, parts, and the fold of the table. Workers are started by a step before it.
On a busy machine, wall time is unreliable; CPU time is that of the runner and workers, including their start. The
ledger is that of all steps, the memory what the runner has grown by since its workers have started, and a resumed step
is one whose blocks are all done.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import noop
import numpy as np

import voxome
from voxome.blocks.memory import peak_bytes, reset_peak
from voxome.blocks.runner import run_step
from voxome.blocks.step import Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.engines.local import LocalEngine
from voxome.geometry import Box
from voxome.geometry.notation import parse_shape
from voxome.records.sql import SqlRecords

EDGE = 8
WHAT = {"nothing": "reads nothing, no rows", "read": "reads a chunk, no rows", "copy": "reads and writes a chunk"}


@dataclass(frozen=True)
class Measurement:
    """Milliseconds a block: wall time of each step, CPU time of all; bytes of ledger and memory, seconds to resume."""

    wall_ms: list[float]
    cpu_ms: float
    ledger_bytes: int
    grown_bytes: int
    resumed_s: float


def make_volume(path: Path, blocks: tuple[int, ...]) -> Handle:
    """Create a volume with one chunk per block."""
    shape = [n * EDGE for n in blocks]
    made = voxome.create(f"zarr://{path}", voxome.VolumeSpec.of(shape, "uint8", chunk=(EDGE,) * 3))
    made[...] = np.random.default_rng(0).integers(1, 255, shape, dtype=np.uint8)
    return Handle("volume", f"zarr://{path}", "raw")


def step(tool: str, version: str, raw: Handle, blocks: tuple[int, ...], box: Box | None = None) -> Step:
    """Return a step of a no-op tool; with another version, it is run again."""
    domain = Box.of_shape(n * EDGE for n in blocks)
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


def measure(tool: str, repeats: int, workers: int, blocks: tuple[int, ...]) -> Measurement:
    """Run steps of a tool in a new folder with new workers."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        raw = make_volume(store / "raw.zarr", blocks)
        engine = LocalEngine(workers=workers, log=store / "log", command=(sys.executable, noop.__file__))
        records = SqlRecords.in_file(store / "run.sqlite")
        before = cpu_s()
        try:
            first = Box.of_shape((EDGE, EDGE, EDGE * blocks[2]))
            run_step(step(tool, "warm", raw, blocks, first), folder, engine, records)
            reset_peak()
            peak = peak_bytes()
            steps = [step(tool, f"run{number}", raw, blocks) for number in range(repeats)]
            reports = [run_step(one, folder, engine, records) for one in steps]
            grown, began = peak_bytes() - peak, time.perf_counter()
            resumed = run_step(steps[-1], folder, engine, records)
            resumed_s = time.perf_counter() - began
            assert (resumed.run, resumed.reused) == (0, resumed.total)
        finally:
            engine.close()
            records.close()
        ledger_bytes = sum(path.stat().st_size for path in store.glob("run.sqlite*"))
    total = reports[0].total
    wall_ms = [1e3 * report.wall_s / total for report in reports]
    return Measurement(wall_ms, 1e3 * (cpu_s() - before) / (total * repeats), ledger_bytes, grown, resumed_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--blocks", default="25,20,20", help="blocks along z, y and x")
    given = parser.parse_args()
    blocks = parse_shape(given.blocks)
    noop.register()
    print(f"{math.prod(blocks):,} blocks, {given.workers} workers; ms a block, and a step {given.repeats} times")
    print(
        f"{'tool':26}{'median':>8}{'best':>8}{'worst':>8}{'CPU':>8}{'ledger kB':>11}{'memory MB':>11}{'resumed s':>11}"
    )
    for tool, what in WHAT.items():
        got = measure(tool, given.repeats, given.workers, blocks)
        wall = f"{statistics.median(got.wall_ms):8.3f}{min(got.wall_ms):8.3f}{max(got.wall_ms):8.3f}{got.cpu_ms:8.3f}"
        sizes = f"{got.ledger_bytes / 1e3:11.0f}{got.grown_bytes / 1e6:11.1f}{got.resumed_s:10.2f}"
        print(f"{what:26}{wall}{sizes}", flush=True)


if __name__ == "__main__":
    main()
