"""The sequential engine meets the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.contracts.engine import Engine
from voxome.engines.sequential import SequentialEngine
from voxome.engines.threads import open_threads
from voxome.testing import EngineContract
from voxome.testing.engine import probe


class TestSequential(EngineContract):
    has_processes = False
    stops_running_jobs = False
    workers = 1

    def open_engine(self, workers: int, log: Path) -> Engine:
        return SequentialEngine(workers=workers, log=log)


@pytest.mark.parametrize("open_engine", [SequentialEngine, open_threads])
def test_the_traceback_of_a_failed_job_is_in_the_log_alone(
    open_engine: type[SequentialEngine], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "workers.log"
    engine = open_engine(workers=1, log=log)
    engine.submit([probe("one", "fail", message="broken tool")])
    (status,) = engine.wait(10)
    engine.close()
    assert (status.state, status.error) == ("failed", "RuntimeError: broken tool")
    assert capfd.readouterr() == ("", "")
    assert "Traceback" in log.read_text()
    assert "RuntimeError: broken tool" in log.read_text()
