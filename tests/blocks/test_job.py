"""Jobs of a step: rows after a failure, and rows of jobs in several threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from blocks.bench import make_bench

from voxome.blocks.job import OpenStep
from voxome.blocks.step import Step
from voxome.engines.threads import open_threads
from voxome.geometry import Box
from voxome.resources.table import TableFile


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Switch between threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_rows_of_a_failed_job_do_not_reach_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make_bench(tmp_path, open_threads(workers=1, log=tmp_path / "log"))
    step = bench.step("common.statistics", (8, 8, 8), Box((-3, 0, 5), (13, 16, 21)))
    monkeypatch.setattr(Step, "span", lambda *_: 4)
    bench.run(step)
    expected = TableFile(f"{step.output('result').within(str(tmp_path)).uri}").read()
    opened, good = OpenStep(step, str(tmp_path)), OpenStep._run_block
    calls = iter([good, None])

    def fail_second(self: OpenStep, block: object, run: str) -> object:
        call = next(calls, good)
        if call is None:
            raise OSError("the disk has failed")
        return call(self, block, run)  # type: ignore[arg-type]

    monkeypatch.setattr(OpenStep, "_run_block", fail_second)
    with pytest.raises(OSError, match="has failed"):
        opened.run(0, 0)
    for job in range(step.jobs(0)):
        opened.run(0, job)
    opened.fold()
    found = TableFile(f"{step.output('result').within(str(tmp_path)).uri}").read()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    bench.records.close()


@pytest.mark.slow
def test_no_rows_are_lost_between_threads(tmp_path: Path, eager_threads: None) -> None:
    bench = make_bench(tmp_path, open_threads(workers=8, log=tmp_path / "log"))
    step = bench.step("common.statistics", (4, 4, 4))
    bench.run(step)
    rows = TableFile(step.output("result").within(str(tmp_path)).uri).read()
    values, counts = np.unique(bench.array, return_counts=True)
    columns = list(rows.values())
    assert np.array_equal(columns[0], values)
    assert np.array_equal(columns[1], counts)
    bench.records.close()
