"""The EM pipeline gives the same results on Dask clusters, also when their workers die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from peers.slurm import Slurm
from workflow.pipeline import (
    CONNECTOME,
    NEURONS,
    Phantom,
    assert_same_neurons,
    assert_same_results,
    has_jobs,
    neuron_inputs,
)

from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow


def test_the_pipeline_runs_on_a_local_cluster_whose_workers_are_killed(
    phantom: Phantom, reference: Path, tmp_path: Path
) -> None:
    with repeating(_kill_a_worker, every_s=4.0, most=4) as kills:
        record = run(CONNECTOME, phantom.inputs, out=tmp_path, workers=2, block=(48, 48, 48), engine="dask?cores=1")
    assert [(row["name"], row["workers"]) for row in record["engines"]] == [("dask", 2)]
    assert kills
    assert_same_results(reference, tmp_path)


def test_the_pipeline_runs_in_jobs_of_slurm(
    reference: Path, tmp_path: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    engine = "dask?cluster=slurm&cores=2&memory=800MB&interface=lo&walltime=00:20:00"

    def cancel_a_job() -> bool:
        if not has_jobs(tmp_path):
            return False
        jobs = slurm.run("squeue", "--noheader", "--states=RUNNING", "--format=%i").stdout.split()
        return bool(jobs) and slurm.run("scancel", "--signal=KILL", jobs[0]).returncode == 0

    with repeating(cancel_a_job, every_s=0.5, most=1) as kills:
        run(NEURONS, neuron_inputs(reference), out=tmp_path, workers=2, block=(48, 48, 48), engine=engine)
    assert kills
    assert_same_neurons(reference, tmp_path)
    assert not slurm.run("squeue", "--noheader", "--states=RUNNING").stdout.strip()


@contextmanager
def repeating(action: Callable[[], bool], *, every_s: float, most: int = 100) -> Iterator[list[float]]:
    """Call `action` again and again in a thread, until it has had effect `most` times; the list has the times."""
    effects: list[float] = []
    ended = threading.Event()

    def repeat() -> None:
        while len(effects) < most and not ended.wait(every_s):
            if action():
                effects.append(time.monotonic())

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield effects
    finally:
        ended.set()
        thread.join()


def _kill_a_worker() -> bool:
    workers = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    if workers:
        os.kill(workers[0].pid, signal.SIGKILL)
    return bool(workers)
