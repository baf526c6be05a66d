"""Job arrays of Slurm on a real cluster of one node; `test_slurm_faults.py` has what is hard to provoke there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from peers.process import running, succeeds
from peers.requirement import program
from peers.slurm import Slurm
from peers.slurm import slurm as start_slurm

from voxome.contracts.engine import Engine
from voxome.engines.slurm import SlurmEngine, open_slurm
from voxome.testing import EngineContract
from voxome.testing.engine import collect, probe, wait_until

pytestmark = pytest.mark.slow


def open_engine(folder: Path, workers: int = 2) -> SlurmEngine:
    return open_slurm(workers=workers, log=folder / "workers.log", poll="1", grace="3", partition="main", time="10")


@pytest.fixture
def cluster(slurm_in_use: Slurm) -> Slurm:
    return slurm_in_use


@pytest.mark.usefixtures("cluster")
class TestSlurm(EngineContract):
    def open_engine(self, workers: int, log: Path) -> Engine:
        return open_engine(log.parent, workers)


def test_a_job_that_somebody_cancels_is_lost_and_runs_again(cluster: Slurm, tmp_path: Path) -> None:
    engine = open_engine(tmp_path)
    job = probe("one", "sleep", folder=str(tmp_path), seconds=600.0)
    engine.submit([job])
    wait_until((tmp_path / "started").exists, engine)
    elements = cluster.run("squeue", "--noheader", "--array", "--format=%F_%K").stdout.split()
    assert cluster.run("scontrol", "requeue", *elements).returncode != 0
    assert cluster.run("scancel", *elements).returncode == 0
    status = collect(engine, 1)["one"]
    assert status.state == "lost"
    assert "its Slurm job ended as CANCELLED (0:15)" in status.error
    assert "CANCELLED" in Path(status.error.rpartition(" ")[2]).read_text()
    (tmp_path / "release").touch()
    engine.submit([job])
    assert collect(engine, 1)["one"].state == "done"
    engine.close()


def test_jobs_of_a_killed_run_are_adopted_and_run_once(cluster: Slurm, tmp_path: Path) -> None:
    jobs = [probe(str(number), "sleep", folder=str(tmp_path / str(number)), seconds=600.0) for number in range(6)]
    for job in jobs:
        (tmp_path / job.id).mkdir()
    script = f"""
import sys, time
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
from test_slurm import open_engine
from voxome.testing.engine import probe
engine = open_engine(Path({str(tmp_path)!r}))
engine.submit([probe(str(n), "sleep", folder={str(tmp_path)!r} + f"/{{n}}", seconds=600.0) for n in range(6)])
while True:
    assert list(engine.wait(1.0)) == []
"""
    runner = subprocess.Popen([sys.executable, "-c", script])
    _until(lambda: all((tmp_path / str(number) / "started").exists() for number in range(2)))
    runner.kill()
    runner.wait()
    engine = open_engine(tmp_path)
    engine.submit(jobs)
    assert list(engine.wait(3.0)) == []
    for job in jobs:
        (tmp_path / job.id / "release").touch()
    assert {name: one.state for name, one in collect(engine, 6).items()} == {job.id: "done" for job in jobs}
    assert len([path for path in (tmp_path / "slurm").iterdir() if path.is_dir()]) == 1
    engine.close()


def test_a_node_that_dies_with_its_job_has_lost_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_slurm() as own:
        monkeypatch.setenv("SLURM_CONF", str(own.config))
        engine = open_engine(tmp_path)
        job = probe("one", "sleep", folder=str(tmp_path), seconds=600.0)
        engine.submit([job])
        wait_until((tmp_path / "started").exists, engine)
        os.kill(own.pids[2], signal.SIGKILL)
        for pid in _processes_in(tmp_path / "slurm"):
            os.kill(pid, signal.SIGKILL)
        assert list(engine.wait(2.0)) == []
        node = f"NodeName={socket.gethostname()}"
        assert own.run("scontrol", "update", node, "State=DOWN", "Reason=died").returncode == 0
        assert collect(engine, 1)["one"].state == "lost"
        daemon = [program("slurmd", package="slurm-wlm"), "-D", "-f", str(own.config)]
        resume = partial(succeeds, "scontrol", "update", node, "State=RESUME", environment=own.environment)
        with running(daemon, log=tmp_path / "slurmd.out", ready=resume):
            (tmp_path / "release").touch()
            engine.submit([job])
            assert collect(engine, 1)["one"].state == "done"
            engine.close()


def _processes_in(folder: Path) -> list[int]:
    """Return the processes whose working directory is under a folder, and their parents that supervise them."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").readlink().is_relative_to(folder):
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                supervised = "slurmstepd" in Path(f"/proc/{parent}/comm").read_text()
                found |= {int(path.name), *([parent] if supervised else [])}
        except OSError:
            continue
    return sorted(found)


def _until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
