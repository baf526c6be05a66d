"""Workers start, die and are replaced; every lost job is reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxome.contracts.engine import Engine, Resources
from voxome.engines.local import KEPT_BYTES, LocalEngine
from voxome.testing import EngineContract
from voxome.testing.engine import collect, count, probe, wait_until


class TestLocal(EngineContract):
    def open_engine(self, workers: int, log: Path) -> Engine:
        return LocalEngine(workers=workers, log=log)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(workers=1, log=tmp_path / "log")
    yield engine
    engine.close()


def test_the_signal_that_killed_a_worker_is_named(engine: LocalEngine, tmp_path: Path) -> None:
    engine.submit([probe("slow", "sleep", folder=str(tmp_path), seconds=30)])
    os.kill(engine.pids()[0], signal.SIGKILL)
    assert "killed by signal 9" in collect(engine, 1)["slow"].error


def test_the_exit_status_of_a_worker_is_named(tmp_path: Path) -> None:
    engine = LocalEngine(workers=1, log=tmp_path / "log", command=[sys.executable, "-c", "import sys; sys.exit(3)"])
    engine.submit([probe("one", "checksum", text="")])
    assert "exited with status 3" in collect(engine, 1)["one"].error
    engine.close()


@pytest.mark.slow
def test_a_worker_that_keeps_much_memory_ends_before_and_after_a_job_of_unbounded_memory(engine: LocalEngine) -> None:
    unbounded = Resources(unbounded_memory=True)
    engine.submit(
        [
            probe("before", "checksum", text=""),
            probe("small", "keep", unbounded, bytes=1_000_000),
            probe("bounded", "keep", bytes=KEPT_BYTES),
            probe("next", "checksum", text=""),
            probe("large", "keep", unbounded, bytes=KEPT_BYTES),
            probe("after", "checksum", text=""),
        ]
    )
    pids = [count(status, "pid") for status in collect(engine, 6).values()]
    assert len(set(pids[:4])) == 1
    assert len(set(pids[3:])) == 3


@pytest.mark.slow
def test_a_worker_whose_memory_is_unknown_does_no_job_after_one_of_unbounded_memory(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxome.engines.local.resident_bytes", lambda _: None)
    engine.submit(
        [probe(name, "checksum", Resources(unbounded_memory=name == "first"), text="") for name in ("first", "second")]
    )
    pids = [count(status, "pid") for status in collect(engine, 2).values()]
    assert pids[0] != pids[1]


@pytest.mark.slow
def test_cancelling_a_job_ends_its_process(engine: LocalEngine, tmp_path: Path) -> None:
    engine.submit([probe("slow", "sleep", folder=str(tmp_path), seconds=600)])
    wait_until((tmp_path / "started").exists, engine)
    pids = engine.pids()
    engine.cancel(["slow"])
    assert engine.pids() == []
    assert not any(_alive(pid) for pid in pids)


@pytest.mark.slow
def test_output_of_workers_goes_to_the_log(engine: LocalEngine, tmp_path: Path) -> None:
    engine.submit([probe("one", "fail", message="look here")])
    collect(engine, 1)
    assert "RuntimeError: look here" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_no_worker_outlives_its_runner(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from voxome.engines.local import KEPT_BYTES, LocalEngine
from voxome.testing.engine import probe
engine = LocalEngine(workers=2, log=Path({str(tmp_path / "log")!r}))
engine.submit([probe(n, "fail", message="") for n in "ab"])
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
    deadline = time.monotonic() + 120
    while any(_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
