"""Execution of a part, and of the levels above it, by an engine, recorded in the ledger of its transfer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voxome.blocks.job_loop import JobBatch, run_jobs
from voxome.blocks.progress import Progress, StepReport
from voxome.contracts.abilities import most_detailed_version
from voxome.contracts.engine import Engine, JobResult, Resources
from voxome.contracts.source import VolumeSource
from voxome.engines.perform import perform
from voxome.engines.threads import ThreadEngine
from voxome.errors import RunFailed
from voxome.services.downsample.passes import Assembly, Pass
from voxome.services.transfer.copy import COVER_BYTES, Copy, block_bytes
from voxome.services.transfer.job import OpenCopy
from voxome.services.transfer.prepare import TransferRequest
from voxome.services.transfer.state import State
from voxome.services.transfer.verification import BlockDiffers

if TYPE_CHECKING:
    from voxome.services.downsample.job import OpenAssembly, OpenPass

Part = Copy | Pass | Assembly
"""The copy of a transfer, or what fills its coarser levels."""
LEVEL_BYTES = 1 << 27
"""Approximate memory for voxels of several levels, with histograms, that are computed at a time."""
_ARRAYS = 4
"""Arrays of a block in memory at once: as read, converted, encoded and read back."""
_THREADS = 2
"""Number of threads, so that one reads while another writes."""


@dataclass
class Totals:
    """Totals over all parts of a transfer."""

    bytes: int = 0
    run: int = 0
    verified: int = 0


@dataclass(frozen=True)
class TransferContext:
    """State shared by the parts of one call; without an engine, threads of this process use the open volumes."""

    source: VolumeSource
    target: VolumeSource
    request: TransferRequest
    state: State
    engine: Engine | None
    log: Path
    progress: Progress
    totals: Totals = field(default_factory=Totals)

    def tokens(self, part: Part) -> dict[str, str]:
        """Return the version tokens of the target and, for the part, which alone reads it, of the source."""
        target = {"target": self.target.version().token}
        if not isinstance(part, Copy):
            return target
        return {"source": self.request.source_version or most_detailed_version(self.source).token, **target}

    def keep_stable_tokens(self, part: Part, before: Mapping[str, str]) -> None:
        """Record the versions that writing does not change, by which later calls recognise source and target."""
        now = self.tokens(part)
        self.state.keep(**{name: token for name, token in before.items() if now[name] == token})


def run_part(run: TransferContext, part: Part) -> None:
    """Run the remaining blocks of a part of a transfer.

    Raises
    ------
    RunFailed
        If a job failed.
    """
    began, itemsize, tokens = time.monotonic(), run.target.spec.dtype.itemsize, run.tokens(part)
    report = StepReport(part.name, "transfer", part.key, len(part.grid))
    report.block_bytes = block_bytes(part.block, part.grid.box.shape, itemsize)
    report.reused = sum(len(part.blocks(job)) for job in run.state.ledger.jobs_done(part.key, 0))

    def on_done(job: int, result: JobResult) -> None:
        if not report.run:
            run.keep_stable_tokens(part, tokens)
        blocks = part.blocks(job)
        report.run += len(blocks)
        run.totals.run += len(blocks)
        run.totals.bytes += sum(part.grid[index].write.size for index in blocks) * itemsize
        run.totals.verified += result.counts["verified"]
        if run.request.verify == "all":
            run.state.ledger.job_done(part.verified_key, 0, job, 0.0, 0)

    run.progress(report)
    with _engine(run, part) as engine:
        _run_jobs(run, part, engine, report, on_done)
        if run.request.verify == "all":
            _verify_earlier(run, part, engine, report)
    report.wall_s, report.ended = time.monotonic() - began, True
    run.progress(report)


def _verify_earlier(run: TransferContext, part: Part, engine: Engine, report: StepReport) -> None:
    """Compare the blocks that earlier calls have copied, and have not verified all, with the source.

    Raises
    ------
    RunFailed
        If some differ, which the next call copies again, or could not be compared; the others are kept.
    """
    ledger, done = run.state.ledger, run.state.ledger.jobs_done(part.key, 0)

    def on_done(job: int, result: JobResult) -> None:
        run.totals.verified += result.counts["verified"]

    try:
        _run_jobs(run, part, engine, report, on_done, written=True)
    except RunFailed as failure:
        wrong = {job for job, error_type in failure.error_types.items() if error_type == BlockDiffers.__name__}
        if wrong:
            ledger.forget(part.key)
        for job in sorted(done - wrong) if wrong else ():
            ledger.job_done(part.key, 0, job, 0.0, 0)
        raise


def _run_jobs(
    run: TransferContext,
    part: Part,
    engine: Engine,
    report: StepReport,
    on_done: Callable[[int, JobResult], None],
    *,
    written: bool = False,
) -> None:
    """Run the jobs of a part; with `written`, the blocks are only verified."""
    shared = {_field(part): asdict(part), "verify": run.request.verify, "seed": run.request.seed, "written": written}
    batch = JobBatch(
        name="the verification" if written else "the transfer",
        key=part.verified_key if written else part.key,
        phase=0,
        jobs=part.jobs,
        task="transfer" if isinstance(part, Copy) else "downsample",
        payload=lambda job: {**shared, "job": job},
        where=part.where,
        resources=_resources(part),
    )
    run_jobs(
        batch,
        engine,
        run.state.ledger,
        on_done=on_done,
        on_progress=lambda: run.progress(report),
        on_retry=report.count_retry,
        log=run.log if run.engine else None,
    )


def _resources(part: Part) -> Resources:
    memory = _ARRAYS * _bytes(part)
    return Resources(memory_bytes=memory if isinstance(part, Copy) else max(memory, LEVEL_BYTES))


def _bytes(part: Part) -> int:
    dtype = part.made_by.dtype if isinstance(part, Assembly) else part.dtype
    return block_bytes(part.block, part.grid.box.shape, np.dtype(dtype).itemsize)


def _field(part: Part) -> str:
    """Return the name of a part in what a worker gets."""
    return "copy" if isinstance(part, Copy) else "pass" if isinstance(part, Pass) else "assembly"


@contextmanager
def _engine(run: TransferContext, part: Part) -> Iterator[Engine]:
    """Yield the engine of the transfer, or threads over the open volumes."""
    if run.engine is not None:
        yield run.engine
        return
    threads = ThreadEngine(workers=_threads(part), run=partial(perform, task=_open(run, part).run, quiet=True))
    try:
        yield threads
    finally:
        threads.close()


def _open(run: TransferContext, part: Part) -> OpenCopy | OpenPass | OpenAssembly:
    request = run.request
    if isinstance(part, Copy):
        reopen = request.target.reopen
        return OpenCopy(part, run.source, run.target, reopen, verify=request.verify, seed=request.seed)
    from voxome.services.downsample import job

    level = request.target.level(part.levels[0] if isinstance(part, Pass) else part.level)
    if isinstance(part, Assembly):
        return job.OpenAssembly(part, level.open("r+"), _THREADS, level.reopen)
    return job.OpenPass(part, run.target, level.open("r+"), _THREADS, level.reopen)


def _threads(part: Part) -> int:
    """Return the number of threads: one if blocks are so large that only one should be in memory, or have threads."""
    return _THREADS if isinstance(part, Copy) and 2 * _bytes(part) <= COVER_BYTES else 1
