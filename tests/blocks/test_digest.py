"""A worker refuses a step that was planned with other code."""

from __future__ import annotations

from dataclasses import replace

import pytest
from blocks.bench import Bench

from voxome.errors import RunFailed
from voxome.registry import load


def test_a_worker_with_other_code_refuses_the_step_at_once(folder_bench: Bench) -> None:
    step = replace(folder_bench.step("common.threshold", (64, 64, 64), at=100), digest="0123")
    with pytest.raises(RunFailed, match=r"common\.threshold .* is not the one that was planned \(0123\)"):
        folder_bench.run(step)
    assert not folder_bench.records.jobs_done(step.key, 0)


@pytest.mark.slow
def test_a_worker_with_the_same_code_runs_it(folder_bench: Bench) -> None:
    digest = load("voxome.tools", "common.threshold").digest
    step = replace(folder_bench.step("common.threshold", (64, 64, 64), at=100), digest=digest)
    assert folder_bench.run(step).run == 1
    assert step.key != replace(step, digest="0123").key
