"""The thread engine meets the contract."""

from __future__ import annotations

import threading
from pathlib import Path

from voxome.contracts.engine import Engine, Job, JobStatus
from voxome.engines.threads import ThreadEngine
from voxome.testing import EngineContract
from voxome.testing.engine import collect


class TestThreads(EngineContract):
    has_processes = False
    stops_running_jobs = False

    def open_engine(self, workers: int, log: Path) -> Engine:
        return ThreadEngine(workers=workers, log=log)


def test_a_cancelled_job_that_ends_late_has_no_status() -> None:
    release = threading.Event()

    def run(job: Job) -> JobStatus:
        release.wait(100)
        return JobStatus(job.id, "failed", error=str(job.payload["attempt"]))

    engine = ThreadEngine(workers=2, run=run)
    engine.submit([Job("one", "", {"attempt": 1})])
    engine.cancel(["one"])
    engine.submit([Job("one", "", {"attempt": 2})])
    release.set()
    assert collect(engine, 1)["one"].error == "2"
    assert list(engine.wait(0.1)) == []
    engine.close()
