"""Execution of a copy by an engine, recorded in the ledger of its transfer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from voxome.blocks.job_loop import JobBatch, run_jobs
from voxome.blocks.runner import Progress, StepReport
from voxome.contracts.abilities import most_detailed_version
from voxome.contracts.engine import Engine, JobResult, Resources
from voxome.contracts.source import VolumeSource
from voxome.engines.perform import perform
from voxome.engines.threads import ThreadEngine
from voxome.errors import RunFailed
from voxome.services.transfer.copy import COVER_BYTES, Copy, block_bytes
from voxome.services.transfer.job import BlockDiffers, OpenCopy
from voxome.services.transfer.prepare import TransferRequest
from voxome.services.transfer.state import State

_ARRAYS = 4
"""Arrays of a block in memory at once: as read, converted, encoded and read back."""
_THREADS = 2
"""Number of threads, so that one reads while another writes."""


@dataclass
class Totals:
    """Totals over all copies of a transfer."""

    bytes: int = 0
    run: int = 0
    verified: int = 0


@dataclass(frozen=True)
class TransferContext:
    """State shared by the copies of one call; without an engine, threads of this process use the open volumes."""

    source: VolumeSource
    target: VolumeSource
    request: TransferRequest
    state: State
    engine: Engine | None
    log: Path
    progress: Progress
    totals: Totals = field(default_factory=Totals)

    def tokens(self, number: int) -> dict[str, str]:
        """Return the version tokens of the target and, for copy 0, which alone reads it, of the source."""
        target = {"target": self.target.version().token}
        if number:
            return target
        return {"source": self.request.source_version or most_detailed_version(self.source).token, **target}

    def keep_stable_tokens(self, number: int, before: Mapping[str, str]) -> None:
        """Record the versions that writing does not change, by which later calls recognise source and target."""
        now = self.tokens(number)
        self.state.keep(**{name: token for name, token in before.items() if now[name] == token})


def run_copy(run: TransferContext, number: int, copy: Copy) -> None:
    """Run the remaining blocks of copy `number` of a transfer.

    Raises
    ------
    RunFailed
        If a job failed.
    """
    began, itemsize, tokens = time.monotonic(), run.target.spec.dtype.itemsize, run.tokens(number)
    report = StepReport(copy.name, "transfer", copy.key, len(copy.grid))
    report.block_bytes = block_bytes(copy.block, copy.grid.box.shape, itemsize)
    report.reused = sum(len(copy.blocks(job)) for job in run.state.ledger.jobs_done(copy.key, 0))

    def on_done(job: int, result: JobResult) -> None:
        if not report.run:
            run.keep_stable_tokens(number, tokens)
        blocks = copy.blocks(job)
        report.run += len(blocks)
        run.totals.run += len(blocks)
        run.totals.bytes += sum(copy.grid[index].write.size for index in blocks) * itemsize
        run.totals.verified += result.counts["verified"]
        if run.request.verify == "all":
            run.state.ledger.job_done(copy.verified_key, 0, job, 0.0, 0)

    run.progress(report)
    with _engine(run, number, copy) as engine:
        _run_jobs(run, copy, engine, report, on_done)
        if run.request.verify == "all":
            _verify_earlier(run, copy, engine, report)
    report.wall_s, report.ended = time.monotonic() - began, True
    run.progress(report)


def _verify_earlier(run: TransferContext, copy: Copy, engine: Engine, report: StepReport) -> None:
    """Compare the blocks that earlier calls have copied, and have not verified all, with the source.

    Raises
    ------
    RunFailed
        If some differ, which the next call copies again, or could not be compared; the others are kept.
    """
    ledger, done = run.state.ledger, run.state.ledger.jobs_done(copy.key, 0)

    def on_done(job: int, result: JobResult) -> None:
        run.totals.verified += result.counts["verified"]

    try:
        _run_jobs(run, copy, engine, report, on_done, written=True)
    except RunFailed as failure:
        wrong = {job for job, error_type in failure.error_types.items() if error_type == BlockDiffers.__name__}
        if wrong:
            ledger.forget(copy.key)
        for job in sorted(done - wrong) if wrong else ():
            ledger.job_done(copy.key, 0, job, 0.0, 0)
        raise


def _run_jobs(
    run: TransferContext,
    copy: Copy,
    engine: Engine,
    report: StepReport,
    on_done: Callable[[int, JobResult], None],
    *,
    written: bool = False,
) -> None:
    """Run the jobs of a copy; with `written`, the blocks are only verified."""
    shared = {"copy": asdict(copy), "verify": run.request.verify, "seed": run.request.seed, "written": written}
    batch = JobBatch(
        name="the verification" if written else "the transfer",
        key=copy.verified_key if written else copy.key,
        phase=0,
        jobs=copy.jobs,
        task="transfer",
        payload=lambda job: {**shared, "job": job},
        where=copy.where,
        resources=_resources(copy),
    )
    run_jobs(
        batch,
        engine,
        run.state.ledger,
        on_done=on_done,
        on_progress=lambda: run.progress(report),
        log=run.log if run.engine else None,
    )


def _resources(copy: Copy) -> Resources:
    size = block_bytes(copy.block, copy.grid.box.shape, np.dtype(copy.dtype).itemsize)
    return Resources(memory_bytes=_ARRAYS * size)


@contextmanager
def _engine(run: TransferContext, number: int, copy: Copy) -> Iterator[Engine]:
    """Yield the engine of the transfer, or threads over the open volumes."""
    if run.engine is not None:
        yield run.engine
        return
    threads = ThreadEngine(
        workers=_threads(copy), run=partial(perform, task=_open_copy(run, number, copy).run, quiet=True)
    )
    try:
        yield threads
    finally:
        threads.close()


def _open_copy(run: TransferContext, number: int, copy: Copy) -> OpenCopy:
    request, endpoint = run.request, run.request.target.level(number)
    source = request.target.level(number - 1).open() if number else run.source
    target = endpoint.open("r+") if number else run.target
    return OpenCopy(copy, source, target, endpoint.reopen, verify=request.verify, seed=request.seed)


def _threads(copy: Copy) -> int:
    """Return the number of threads: one if blocks are so large that only one should be in memory."""
    large = 2 * block_bytes(copy.block, copy.grid.box.shape, np.dtype(copy.dtype).itemsize) > COVER_BYTES
    return 1 if large else _THREADS
