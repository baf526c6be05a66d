"""Workers come, go and die; jobs do not get lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxome.contracts.engine import Job, JobStatus
from voxome.engines.local import LocalEngine

ECHO = """
import json, sys, time
for line in sys.stdin:
    job = json.loads(line)
    if job.get("die"): sys.exit(3)
    time.sleep(job.get("sleep", 0))
    print(json.dumps({"id": job["id"], "state": "done", "result": {"n": job["n"]}}), flush=True)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    made = LocalEngine([sys.executable, "-c", ECHO], 2, tmp_path / "log")
    yield made
    made.close()


def _collect(engine: LocalEngine, count: int) -> dict[str, JobStatus]:
    ended: dict[str, JobStatus] = {}
    deadline = time.monotonic() + 20
    while len(ended) < count and time.monotonic() < deadline:
        ended.update((status.id, status) for status in engine.wait(0.2))
    return ended


def test_every_job_is_answered_once(engine: LocalEngine) -> None:
    engine.submit([Job(str(n), {"n": n}) for n in range(50)])
    ended = _collect(engine, 50)
    assert {int(k): v.result["n"] for k, v in ended.items()} == {n: n for n in range(50)}


def test_a_job_whose_worker_ends_is_lost_and_the_others_go_on(engine: LocalEngine) -> None:
    engine.submit([Job("dies", {"n": 0, "die": True}), *(Job(str(n), {"n": n}) for n in range(10))])
    ended = _collect(engine, 11)
    assert ended["dies"].state == "lost"
    assert "status 3" in ended["dies"].error
    assert sum(status.state == "done" for status in ended.values()) == 10


def test_a_killed_worker_is_told_by_its_signal(engine: LocalEngine) -> None:
    engine.submit([Job("slow", {"n": 0, "sleep": 30})])
    os.kill(engine.pids()[0], signal.SIGKILL)
    assert "signal 9" in _collect(engine, 1)["slow"].error


def test_cancelled_jobs_do_not_run(engine: LocalEngine) -> None:
    engine.submit([Job(str(n), {"n": n, "sleep": 30}) for n in range(3)])
    engine.cancel(["0", "1", "2"])
    engine.submit([Job("next", {"n": 7})])
    assert set(_collect(engine, 1)) == {"next"}


def test_no_worker_outlives_its_runner(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from voxome.contracts.engine import Job
from voxome.engines.local import LocalEngine
engine = LocalEngine([sys.executable, "-m", "voxome.blocks.worker"], 2, Path({str(tmp_path / "log")!r}))
engine.submit([Job("a", {{"step": "none"}}), Job("b", {{"step": "none"}})])
print(*engine.pids(), flush=True)
time.sleep(60)
"""
    runner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    workers = [int(pid) for pid in runner.stdout.readline().split()]
    assert len(workers) == 2
    runner.kill()
    runner.wait()
    runner.stdout.close()
    deadline = time.monotonic() + 5
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_job_that_wants_to_be_alone_has_a_process_of_its_own(tmp_path: Path) -> None:
    told = "import json, os, sys\nfor line in sys.stdin:\n"
    told += "    done = {'id': json.loads(line)['id'], 'state': 'done', 'result': {'pid': os.getpid()}}\n"
    told += "    print(json.dumps(done), flush=True)"
    engine = LocalEngine([sys.executable, "-c", told], 1, tmp_path / "log")
    engine.submit([Job("before", {}), Job("alone", {}, alone=True), Job("after", {}), Job("last", {})])
    pids = {name: status.result["pid"] for name, status in _collect(engine, 4).items()}
    engine.close()
    assert len({pids["before"], pids["alone"], pids["after"]}) == 3
    assert pids["after"] == pids["last"]
