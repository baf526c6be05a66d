"""AWS Batch, whose containers are processes of this machine; `test_awsbatch_faults.py` has what goes wrong there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from peers.s3 import Bucket
from standins.awsbatch import SPOT, BatchStandIn

from voxome.contracts.engine import Engine
from voxome.engines.awsbatch import open_awsbatch
from voxome.testing import EngineContract
from voxome.testing.engine import collect, probe, wait_until

pytestmark = pytest.mark.slow


class TestAwsBatch(EngineContract):
    @pytest.fixture(autouse=True)
    def _surroundings(self, aws_batch: BatchStandIn, bucket: Bucket, fresh_key: Callable[[], str]) -> None:
        self.batch, self.store = aws_batch, bucket.uri(f"run/{fresh_key()}")

    def open_engine(self, workers: int, log: Path) -> Engine:
        log.parent.mkdir(parents=True, exist_ok=True)
        return open_awsbatch(
            workers=workers, log=log, store=self.store, queue=self.batch.queue, image="voxome", poll="1"
        )


def test_a_job_whose_spot_instance_is_taken_away_is_lost_and_runs_again_with_nothing_left_behind(
    aws_batch: BatchStandIn, bucket: Bucket, fresh_key: Callable[[], str], tmp_path: Path
) -> None:
    key, log = fresh_key(), tmp_path / "workers.log"
    engine = open_awsbatch(workers=2, log=log, store=bucket.uri(key), queue=aws_batch.queue, image="voxome", poll="1")
    jobs = [probe(name, "sleep", folder=str(tmp_path / name), seconds=600.0) for name in ("one", "two")]
    for job in jobs:
        (tmp_path / job.id).mkdir()
    engine.submit(jobs)
    wait_until(lambda: all((tmp_path / job.id / "started").exists() for job in jobs), engine)
    first = aws_batch.running()[0]
    assert first.process is not None
    aws_batch.end(first, SPOT)
    assert first.process.poll() is not None
    status = collect(engine, 1)["one"]
    assert (status.state, status.retryable) == ("lost", True)
    assert f"its job ended as FAILED ({SPOT}), without a result; its log is the log stream" in status.error
    assert f"{first.stream} of the log group /aws/batch/job in us-east-1" in log.read_text()
    engine.submit([jobs[0]])
    for job in jobs:
        (tmp_path / job.id / "release").touch()
    assert {name: one.state for name, one in collect(engine, 2).items()} == {"one": "done", "two": "done"}
    engine.close()
    assert bucket.keys(key) == []
    assert [path.name for path in (tmp_path / "awsbatch").iterdir()] == ["run"]
