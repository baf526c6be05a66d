"""Overhead of engines per job: jobs that do nothing, as a run submits them, and the memory of the runner.

``python benchmarks/engines.py [--engine local --engine dask …] [--jobs 5000] [--workers 2]``. As the loop of a run,
it keeps four jobs for each slot submitted. The first jobs, which start workers, do not count. CPU time is that of this
process and all its descendants; with Dask, this process contains the scheduler. Memory is that of this process after a
fifth and nine tenths of the jobs. On a busy machine, wall time is unreliable.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import deque
from pathlib import Path

import psutil

from voxome.contracts.engine import Engine, Job
from voxome.registry import factory

WINDOW = 4
WARM = 20


def job(number: int) -> Job:
    """Return a job that does nothing."""
    return Job(f"noop/0/{number}", "probe", {"action": "checksum", "text": ""})


def cpu_s() -> float:
    """Return the CPU seconds of this process and its descendants."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def drain(engine: Engine, first: int, jobs: int, marks: tuple[int, ...] = ()) -> list[float]:
    """Run jobs from number `first`, and return the MiB of this process when so many have ended."""
    waiting, running, ended, memory = deque(range(first, first + jobs)), 0, 0, []
    remaining = list(marks)
    while ended < jobs:
        while waiting and running < WINDOW * engine.slots:
            engine.submit([job(waiting.popleft())])
            running += 1
        for status in engine.wait(1.0):
            assert status.state == "done", status.error
            running, ended = running - 1, ended + 1
        while remaining and ended >= remaining[0]:
            remaining.pop(0)
            memory.append(psutil.Process().memory_info().rss / 2**20)
    return memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="append", metavar="NAME[?option=value&…]")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(f"{given.jobs} jobs, {given.workers} workers, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'engine':28}{'start s':>9}{'ms a job':>10}{'CPU ms':>8}{'MiB at 20 %':>13}{'MiB at 90 %':>13}{'close s':>9}"
    )
    for spec in given.engine or ["local", "dask"]:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            engine: Engine = factory("voxome.engines", spec)(workers=given.workers, log=Path(folder) / "log")
            try:
                drain(engine, 0, WARM)
                ready, cpu = time.monotonic(), cpu_s()
                memory = drain(engine, WARM, given.jobs, (given.jobs // 5, given.jobs * 9 // 10))
                ended, cpu = time.monotonic(), cpu_s() - cpu
            finally:
                engine.close()
            times = f"{1e3 * (ended - ready) / given.jobs:10.2f}{1e3 * cpu / given.jobs:8.2f}"
            sizes = f"{memory[0]:13.1f}{memory[1]:13.1f}{time.monotonic() - ended:9.1f}"
            print(f"{spec:28}{ready - began:9.1f}{times}{sizes}", flush=True)


if __name__ == "__main__":
    main()
