"""A Slurm cluster runs jobs, reports those that fail, and cancels them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from peers.slurm import Slurm

pytestmark = pytest.mark.slow


def test_jobs_run_and_their_status_comes_back(slurm: Slurm) -> None:
    done = slurm.run("srun", "--mem=100", "sh", "-c", "echo job $SLURM_JOB_ID")
    assert (done.returncode, done.stdout.split()[0]) == (0, "job"), done.stderr
    assert slurm.run("srun", "--mem=100", "sh", "-c", "exit 3").returncode == 3


def test_an_array_of_jobs_is_cancelled(slurm: Slurm, tmp_path: Path) -> None:
    wrap = f"--wrap=touch {tmp_path}/$SLURM_ARRAY_TASK_ID; sleep 600"
    job = slurm.run("sbatch", "--parsable", "--mem=100", "--array=1-3", "--output=/dev/null", wrap).stdout.strip()
    until(lambda: any(tmp_path.iterdir()))
    assert slurm.run("scancel", job).returncode == 0
    until(lambda: not slurm.run("squeue", "--noheader", "--jobs", job).stdout.strip())
    assert "CANCELLED" in slurm.run("scontrol", "show", "job", job).stdout


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
