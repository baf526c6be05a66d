"""Steps run block by block give the same result as numpy on the whole array, even if interrupted."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blocks.bench import Bench, make_bench

import voxome
from voxome.blocks.job import OpenStep
from voxome.blocks.job_loop import RETRIES
from voxome.blocks.runner import prepare
from voxome.blocks.step import FOLD
from voxome.config.machine import resident_bytes
from voxome.engines.local import LocalEngine
from voxome.errors import RunFailed
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.threshold import threshold


@pytest.mark.slow
@pytest.mark.parametrize("block", [(16, 16, 16), (64, 64, 64), (7, 16, 5)])
def test_results_do_not_depend_on_blocks(bench: Bench, block: tuple[int, int, int]) -> None:
    step = bench.step("common.threshold", block, at=100)
    report = bench.run(step)
    assert report.run == report.total == len(step.phases[0] or ())
    assert np.array_equal(bench.result(step)[...], np.where(bench.array > 100, 255, 0))


@pytest.mark.slow
def test_a_step_over_a_box_writes_an_array_of_the_box(bench: Bench) -> None:
    box = Box((0, 3, 8), (20, 17, 21))
    step = bench.step("common.threshold", (8, 8, 8), box, at=100)
    bench.run(step)
    result, raw = bench.result(step), voxome.open(bench.raw.uri, expect=voxome.Volume)
    assert result.domain == box
    assert result.spec.centre_nm(box.start) == raw.spec.centre_nm(box.start)
    assert np.array_equal(result[...], np.where(raw.cutout(box) > 100, 255, 0))


@pytest.mark.slow
def test_rows_of_blocks_are_folded_into_one_table(bench: Bench) -> None:
    step = bench.step("common.statistics", (8, 8, 8))
    bench.run(step)
    rows = TableFile(step.output("result").within(str(bench.folder)).uri).read()
    values, voxels = np.unique(bench.array, return_counts=True)
    assert rows["value"].tolist() == values.tolist()
    assert rows["voxels"].tolist() == voxels.tolist()


@pytest.mark.slow
def test_a_second_run_repeats_no_job(bench: Bench) -> None:
    step = bench.step("common.threshold", (16, 16, 16), at=100)
    first = bench.run(step)
    second = bench.run(step)
    assert (second.run, second.reused) == (0, first.total)


@pytest.mark.slow
def test_only_missing_jobs_are_run_again(bench: Bench) -> None:
    step = bench.step("common.threshold", (16, 16, 16), at=100)
    prepare(step, str(bench.folder))
    done = {0, 3, 5}
    for job in done:
        bench.records.job_done(step.key, 0, job, 1.0, 1)
    report = bench.run(step)
    assert (report.run, report.reused) == (report.total - len(done), len(done))


def test_parts_that_vanish_before_they_are_folded_are_computed_again(folder_bench: Bench) -> None:
    step, store = folder_bench.step("common.statistics", (16, 16, 16)), str(folder_bench.folder)
    prepare(step, store)
    opened = OpenStep(step, store)
    for job in range(step.jobs(0)):
        opened.run(0, job)
        folder_bench.records.job_done(step.key, 0, job, 1.0, 1)
    lost = next(Path(store).rglob("0-0000003.parquet"))
    lost.unlink()
    report = folder_bench.run(step)
    assert (report.run, report.reused) == (report.total, 0)
    rows = TableFile(step.output("result").within(store).uri).read()
    assert rows["voxels"].sum() == folder_bench.array.size


@pytest.mark.slow
def test_jobs_that_a_killed_run_left_are_cancelled_if_their_results_are_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: set[str] = set()
    monkeypatch.setattr(type(bench.engine), "cancel", lambda _, ids: cancelled.update(ids))
    step = bench.step("common.statistics", (16, 16, 16))
    bench.run(step)
    assert cancelled == {*(f"{step.key}/0/{job}" for job in range(step.jobs(0))), f"{step.key}/{FOLD}/0"}
    cancelled.clear()
    bench.run(step)
    assert cancelled == set()


@pytest.mark.slow
def test_the_array_is_marked_complete_last(bench: Bench) -> None:
    step = bench.step("common.threshold", (16, 16, 16), at=100)
    bench.run(step)
    assert bench.result(step).spec.attributes["voxome_run"]["complete"] is True


@pytest.mark.slow
def test_an_unreadable_chunk_fails_only_the_jobs_that_read_it(bench: Bench) -> None:
    damage_a_chunk(bench)
    step = bench.step("common.threshold", (16, 16, 16), at=100)
    with pytest.raises(RunFailed, match=r"1 of \d+ jobs of step common.threshold failed"):
        bench.run(step)
    done = bench.records.jobs_done(step.key, 0)
    assert len(done) == step.jobs(0) - 1
    assert not bench.result(step).spec.attributes["voxome_run"]["complete"]


@pytest.mark.slow
def test_a_failure_is_logged_while_others_run(folder_bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    damage_a_chunk(folder_bench)
    with pytest.raises(RunFailed):
        folder_bench.run(folder_bench.step("common.threshold", (16, 16, 16), at=100))
    assert "failed; the run will end when others have ended" in caplog.text


def damage_a_chunk(bench: Bench) -> None:
    """Replace a chunk by text."""
    chunks = sorted(path for path in Path(bench.folder / "raw.zarr").rglob("*") if path.parent.parent.name == "1")
    chunks[0].write_bytes(b"not a chunk")


@pytest.mark.slow
def test_a_failing_tool_is_retried_and_then_named(folder_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def broken(image: object, *, at: float) -> None:
        calls.append(at)
        raise OSError("the disk is full")

    monkeypatch.setitem(threshold.__dict__, "function", broken)
    with pytest.raises(RunFailed, match="the disk is full"):
        folder_bench.run(folder_bench.step("common.threshold", (64, 64, 64), at=100))
    assert len(calls) == RETRIES + 1


@pytest.mark.slow
def test_a_worker_stays_over_steps_and_their_folds_in_constant_memory(tmp_path: Path) -> None:
    with closing(LocalEngine(workers=1, log=tmp_path / "log")) as engine:
        bench = make_bench(tmp_path, engine)
        memory = []
        for version in range(12):
            for tool in ("common.threshold", "common.statistics"):
                bench.run(replace(bench.step(tool, (20, 30, 20)), version=str(version)))
            (pid,) = engine.pids()
            memory.append((pid, resident_bytes(pid) or 0))
        bench.records.close()
    (_, early), (_, late) = memory[1], memory[-1]
    assert len({pid for pid, _ in memory}) == 1
    assert late < early + 4_000_000
