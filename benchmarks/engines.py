"""Overhead of engines per job: jobs that do nothing, in the loop of a run and with its ledger.

``python benchmarks/engines.py [--engine local --engine dask …] [--jobs 5000] [--workers 2]``. The first jobs, which
start workers, do not count. CPU time is that of this process, which contains the scheduler of Dask, and of all its
descendants. Memory is that of this process and of its largest descendant after 10, 50 and 100 % of the jobs. On a busy
machine, wall time is unreliable.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from voxome.blocks.job_loop import JobBatch, run_jobs
from voxome.contracts.engine import Engine
from voxome.records.sql import SqlRecords
from voxome.registry import factory

WARM = 100


def batch(phase: int, jobs: int) -> JobBatch:
    """Return jobs that do nothing."""
    payload = {"action": "checksum", "text": ""}
    return JobBatch(
        name="noop", key="noop", phase=phase, jobs=jobs, task="probe", payload=lambda _: payload, where=lambda _: "noop"
    )


def descendants() -> list[psutil.Process]:
    """Return the processes that this one started."""
    return psutil.Process().children(recursive=True)


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """Return the CPU seconds of processes."""
    seconds = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:2])
    return seconds


def memory_mib() -> tuple[float, float]:
    """Return the resident MiB of this process and of its largest descendant."""
    sizes = [process.memory_info().rss / 2**20 for process in (psutil.Process(), *descendants())]
    return sizes[0], max(sizes[1:], default=0.0)


def measure(spec: str, jobs: int, workers: int) -> str:
    """Return the row of an engine."""
    marks, memory = {max(1, jobs * share // 100) for share in (10, 50, 100)}, []
    done = 0

    def on_done(_: int, __: object) -> None:
        nonlocal done
        done += 1
        if done in marks:
            memory.append(memory_mib())

    with tempfile.TemporaryDirectory() as folder:
        engine: Engine = factory("voxome.engines", spec)(workers=workers, log=Path(folder) / "log")
        ledger = SqlRecords.in_file(Path(folder) / "run.sqlite")
        try:
            run_jobs(batch(0, WARM), engine, ledger, on_done=lambda *_: None, on_progress=lambda: None)
            started, cpu = time.monotonic(), (cpu_s([psutil.Process()]), cpu_s(descendants()))
            run_jobs(batch(1, jobs), engine, ledger, on_done=on_done, on_progress=lambda: None)
            wall = time.monotonic() - started
            used = cpu_s([psutil.Process()]) - cpu[0], cpu_s(descendants()) - cpu[1]
            ledger_bytes = sum(path.stat().st_size for path in Path(folder).glob("run.sqlite*"))
        finally:
            engine.close()
            ledger.close()
    sizes = [" ".join(f"{size[which]:.0f}" for size in memory) for which in (0, 1)]
    times = f"{1e3 * wall / jobs:9.2f}{1e3 * used[0] / jobs:9.2f}{1e3 * used[1] / jobs:9.2f}"
    return f"{spec:20}{times}{sizes[0]:>18}{sizes[1]:>18}{ledger_bytes / 1e6:11.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="append", metavar="NAME[?option=value&…]")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(f"{given.jobs} jobs, {given.workers} workers, load {os.getloadavg()[0]:.1f}")
    print(f"{'':20}{'ms of wall time and CPU of':^27}{'MiB at 10, 50, 100 % of':^36}")
    print(f"{'engine':20}{'a job':>9}{'runner':>9}{'workers':>9}{'runner':>18}{'a worker':>18}{'ledger MB':>11}")
    for spec in given.engine or ["local", "dask"]:
        print(measure(spec, given.jobs, given.workers), flush=True)


if __name__ == "__main__":
    main()
