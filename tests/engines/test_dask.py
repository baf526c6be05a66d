"""Jobs on Dask clusters: those that the engine starts, and one of others."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from peers.process import free_port, is_alive, listens, running

from voxome.contracts.engine import Engine, Job, JobStatus, Resources
from voxome.engines import dask
from voxome.engines.dask import DaskEngine, open_dask
from voxome.errors import StoreError
from voxome.testing import EngineContract
from voxome.testing.engine import TIMEOUT_S, collect, count, probe, wait_until

pytestmark = pytest.mark.slow


class TestLocalCluster(EngineContract):
    def open_engine(self, workers: int, log: Path) -> Engine:
        return open_dask(workers=workers, log=log)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DaskEngine]:
    engine = open_dask(workers=2, log=tmp_path / "log")
    yield engine
    engine.close()


_EARLIER: set[int] = set()


@pytest.fixture(autouse=True)
def _earlier_workers() -> None:
    """Leave out the workers of earlier tests: on a busy machine they may end later than the engine."""
    _EARLIER.clear()
    _EARLIER.update(dask_workers())


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster of others, whose worker has little memory to give."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address=None, memory_limit=0, resources={"memory": 1000}
    ) as cluster:
        yield cluster


def test_jobs_whose_workers_are_killed_at_random_are_lost_and_end_when_repeated(tmp_path: Path) -> None:
    engine = open_dask(workers=2, log=tmp_path / "log", cores="1")
    choice, losses, done = random.Random(5), Counter[str](), Counter[str]()
    names = [f"key/0/{number}" for number in range(120)]
    jobs = {name: probe(name, "sleep", folder=str(tmp_path), seconds=0.03) for name in names}
    engine.submit(list(jobs.values()))
    deadline = time.monotonic() + 3 * TIMEOUT_S
    while len(done) < len(jobs):
        assert time.monotonic() < deadline
        for status in engine.wait(0.2):
            assert status.state in ("done", "lost"), status.error
            if status.state == "done":
                done[status.id] += 1
            else:
                losses[status.id] += 1
                engine.submit([jobs[status.id]])
            if losses.total() + done.total() in (10, 25, 40, 60, 90) and (workers := dask_workers()):
                os.kill(choice.choice(workers), signal.SIGKILL)
    engine.close()
    assert losses
    assert set(done.values()) == {1}


def test_workers_that_dask_gives_up_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dask import config

    monkeypatch.setattr(dask, "_REPLACE_S", 0.5)
    engine = open_dask(workers=1, log=tmp_path / "log")
    engine.submit([probe("one", "sleep", folder=str(tmp_path), seconds=600)])
    wait_until((tmp_path / "started").exists, engine)
    (worker,) = dask_workers()
    with config.set({"distributed.deploy.lost-worker-timeout": "1ms"}):
        os.kill(worker, signal.SIGKILL)
        assert collect(engine, 1)["one"].state == "lost"
        states: list[str] = []
        while "done" not in states and len(states) < 10:  # a worker may be given up with a job that it just got
            engine.submit([probe("next", "checksum", text="")])
            states.append(collect(engine, 1)["next"].state)
    engine.close()
    assert {*states} <= {"lost", "done"}
    assert "done" in states


def test_another_jobs_death_is_not_that_of_its_neighbour(engine: DaskEngine, tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    engine.submit([probe("long", "sleep", folder=str(tmp_path / "long"), seconds=600)])
    wait_until((tmp_path / "long" / "started").exists, engine)
    engine.submit([probe(str(number), "die") for number in range(6)])
    assert {status.state for status in collect(engine, 6).values()} == {"lost"}
    (tmp_path / "long" / "release").touch()
    assert collect(engine, 1)["long"].state == "done"


def test_a_job_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    engine = open_dask(workers=1, log=tmp_path / "log", job_s="3")
    engine.submit([probe("long", "sleep", folder=str(tmp_path), seconds=600), probe("next", "checksum", text="")])
    statuses = collect(engine, 2)
    engine.close()
    assert (statuses["long"].state, statuses["long"].error_type) == ("failed", "TimeoutError")
    assert "longer than 3 s" in statuses["long"].error
    assert statuses["next"].state == "done"
    assert not (tmp_path / "ended").exists()


def test_equal_jobs_run_each_time(engine: DaskEngine, tmp_path: Path) -> None:
    path = tmp_path / "environment.json"
    for _ in range(2):
        engine.submit([probe("one", "environment", path=str(path))])
        assert collect(engine, 1)["one"].state == "done"
        path.unlink()


def test_few_jobs_are_known_to_the_scheduler_at_once(engine: DaskEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "MAX_FUTURES", 3)
    engine.submit([probe(str(number), "checksum", text="") for number in range(200)])
    ended = 0
    while ended < 200:
        assert len(engine._tasks) <= 3
        assert len(engine._client.futures) <= 20  # those of ended jobs are released a little later
        ended += len(list(engine.wait(1.0)))
    assert not engine._running


def test_short_jobs_share_tasks_and_only_one_that_dies_is_lost(engine: DaskEngine) -> None:
    jobs = [probe(f"key/0/{number}", "die" if number == 150 else "checksum", text="") for number in range(300)]
    engine.submit(jobs)
    statuses = collect(engine, 300)
    assert {name for name, status in statuses.items() if status.state == "lost"} == {"key/0/150"}
    assert {status.state for status in statuses.values()} == {"done", "lost"}
    assert next(engine._numbers) < 250  # tasks


def test_jobs_of_a_group_are_cancelled_alone(tmp_path: Path) -> None:
    engine = open_dask(workers=1, log=tmp_path / "log")
    engine._groups.note(["short/0/0"], [JobStatus("short/0/0", "done")], 0.001)

    def sleeper(name: str) -> Job:
        (tmp_path / name).mkdir(parents=True)
        return probe(name, "sleep", folder=str(tmp_path / name), seconds=600)

    engine.submit([sleeper("long/0/0"), sleeper("long/0/1")])
    engine.submit([sleeper(f"short/0/{number}") for number in range(3)])
    (tmp_path / "long/0/0/release").touch()
    assert set(collect(engine, 1)) == {"long/0/0"}
    assert {len(task.jobs) for task in engine._tasks} == {1, 3}
    engine.cancel(["long/0/1"])
    wait_until((tmp_path / "short/0/0/started").exists, engine)
    engine.cancel(["short/0/0", "short/0/1"])
    (tmp_path / "short/0/2/release").touch()
    assert set(collect(engine, 1)) == {"short/0/2"}
    assert not (tmp_path / "short/0/0/ended").exists()
    assert not (tmp_path / "short/0/1/started").exists()
    engine.close()


def test_large_jobs_do_not_run_beside_each_other(tmp_path: Path) -> None:
    engine = open_dask(workers=2, log=tmp_path / "log", memory="1GB")
    for name in "ab":
        (tmp_path / name).mkdir()
    large = Resources(memory_bytes=700_000_000)
    engine.submit([probe(name, "sleep", large, folder=str(tmp_path / name), seconds=600) for name in "ab"])
    wait_until((tmp_path / "a" / "started").exists, engine)
    assert not list(engine.wait(2.0))
    assert not (tmp_path / "b" / "started").exists()
    (tmp_path / "a" / "release").touch()
    assert set(collect(engine, 1)) == {"a"}
    wait_until((tmp_path / "b" / "started").exists, engine)
    engine.close()


def test_a_job_that_needs_more_than_a_worker_has_runs(tmp_path: Path) -> None:
    engine = open_dask(workers=2, log=tmp_path / "log", memory="1GB")
    needs = Resources(cpus=64, memory_bytes=1 << 40, gpus=8)
    engine.submit([probe("one", "checksum", needs, text="")])
    assert collect(engine, 1)["one"].state == "done"
    engine.close()


def test_the_number_of_workers_follows_that_of_jobs(tmp_path: Path) -> None:
    engine = open_dask(workers=1, log=tmp_path / "log", cores="1", minimum="0", maximum="2")
    assert engine.slots == 2
    assert not dask_workers()
    for name in "ab":
        (tmp_path / name).mkdir()
    engine.submit([probe(name, "sleep", folder=str(tmp_path / name), seconds=600) for name in "ab"])
    wait_until(lambda: all((tmp_path / name / "started").exists() for name in "ab"), engine)
    for name in "ab":
        (tmp_path / name / "release").touch()
    assert {status.state for status in collect(engine, 2).values()} == {"done"}
    deadline = time.monotonic() + TIMEOUT_S
    while dask_workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not dask_workers()
    engine.close()


def test_the_cluster_of_others_stays_without_processes_of_the_engine(cluster: Any, tmp_path: Path) -> None:
    engine = open_dask(workers=7, log=tmp_path / "log", cluster=cluster.scheduler_address)
    assert engine.slots == 2
    (tmp_path / "long").mkdir()
    engine.submit([probe("one", "checksum", Resources(memory_bytes=1 << 40), text="")])
    pid = count(collect(engine, 1)["one"], "pid")
    engine.submit([probe("long", "sleep", folder=str(tmp_path / "long"), seconds=600)])
    wait_until((tmp_path / "long" / "started").exists, engine)
    engine.close()
    (worker,) = dask_workers()
    deadline = time.monotonic() + TIMEOUT_S
    while psutil.Process(worker).children() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(pid)
    assert not psutil.Process(worker).children()
    assert not (tmp_path / "long" / "ended").exists()
    again = open_dask(workers=1, log=tmp_path / "log", cluster=cluster.scheduler_address)
    again.submit([probe("one", "checksum", text="")])
    assert collect(again, 1)["one"].state == "done"
    again.close()


def test_a_worker_that_wakes_up_late_does_not_end_a_job_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dask import config

    with config.set({"distributed.scheduler.worker-ttl": "5s"}):
        engine = open_dask(workers=1, log=tmp_path / "log")
    job = probe("one", "sleep", folder=str(tmp_path), seconds=600)
    engine.submit([job])
    wait_until((tmp_path / "started").exists, engine)
    (worker,) = dask_workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        assert collect(engine, 1)["one"].state == "lost"
        engine.submit([Job("one", "probe", {"action": "checksum", "text": ""})])
    finally:
        with suppress(ProcessLookupError):  # Dask may have ended it
            os.kill(worker, signal.SIGCONT)
    (tmp_path / "release").touch()
    assert collect(engine, 1)["one"].state == "done"
    assert list(engine.wait(2.0)) == []
    engine.close()


def test_a_scheduler_that_dies_loses_its_jobs_and_ends_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxome.engines.dask_clusters._CONNECT_S", 8.0)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    place = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", str(port), *place]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--local-directory", str(tmp_path)]
    log = tmp_path / "worker.log"
    with (
        running(scheduler, log=tmp_path / "scheduler.log", ready=lambda: listens(port)) as process,
        running(worker, log=log, ready=lambda: "Starting established connection" in log.read_text()),
    ):
        engine = open_dask(workers=2, log=tmp_path / "log", cluster=address)
        engine.submit([probe("one", "sleep", folder=str(tmp_path), seconds=600)])
        wait_until((tmp_path / "started").exists, engine)
        process.kill()
        assert collect(engine, 1)["one"].state == "lost"
        with pytest.raises(StoreError, match="The Dask scheduler ended, or could not be reached"):
            submit_until_refused(engine)
        engine.close()


def test_nothing_outlives_a_runner_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # for the folder of the runner
    script = f"""
import time
from pathlib import Path
import psutil
from voxome.engines.dask import open_dask
from voxome.testing.engine import collect, probe
if __name__ == "__main__":
    engine = open_dask(workers=2, log=Path({str(tmp_path / "log")!r}))
    engine.submit([probe(n, "checksum", text="") for n in "ab"])
    collect(engine, 2)
    print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
    time.sleep(600)
"""
    (tmp_path / "runner.py").write_text(script)
    runner = subprocess.Popen([sys.executable, tmp_path / "runner.py"], stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    pids = [int(pid) for pid in runner.stdout.readline().split()]
    assert len(pids) >= 2
    runner.kill()
    runner.wait()
    runner.stdout.close()
    deadline = time.monotonic() + TIMEOUT_S
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(is_alive(pid) for pid in pids)


def submit_until_refused(engine: Engine) -> None:
    """Submit a job again as often as it is lost."""
    for _ in range(10):
        engine.submit([probe("one", "checksum", text="")])
        assert {status.state for status in engine.wait(10.0)} <= {"lost"}


def dask_workers() -> list[int]:
    """Return the process ids of the workers of clusters that this test has started in this process."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # which has just ended
            found += [child.pid] if "spawn_main" in " ".join(child.cmdline()) else []
    return [pid for pid in found if pid not in _EARLIER]
