"""cwltool's walk over a workflow of voxome and others: tools of voxome run block by block, when nothing else does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from voxome.blocks.progress import StepReport
from voxome.contracts.engine import Engine, JobStatus
from voxome.contracts.records import RecordStore
from voxome.workflow.cwl_files import is_file
from voxome.workflow.foreign.cache import ResultCache
from voxome.workflow.foreign.digests import Digests
from voxome.workflow.foreign.executor import ForeignExecutor, RunningJob
from voxome.workflow.foreign.job import ForeignJob
from voxome.workflow.foreign.left_jobs import LeftJobs
from voxome.workflow.foreign.results import JobFolders
from voxome.workflow.mixed.block_runner import BlockRunner
from voxome.workflow.mixed.block_tool import BlockJob

HANDLE = "handle"
"""Key, in an output object, of a result of voxome, which is no file to deliver."""


class MixedExecutor(ForeignExecutor):
    """Runs commands on an engine, and tools of voxome by the block runner.

    Parameters
    ----------
    engine, folders, records, digests
        As of `ForeignExecutor`.
    blocks : BlockRunner
        Runs tools of voxome.
    progress : function of a StepReport
        Called after every command.
    cache, left : ResultCache, LeftJobs, optional
        As of `ForeignExecutor`.
    """

    def __init__(
        self,
        engine: Engine,
        folders: JobFolders,
        records: RecordStore,
        digests: Digests,
        blocks: BlockRunner,
        progress: Callable[[StepReport], None],
        cache: ResultCache | None = None,
        left: LeftJobs | None = None,
    ) -> None:
        super().__init__(engine, folders, records, digests, cache, left)
        self._blocks, self._progress = blocks, progress
        self._began: dict[str, float] = {}
        self.reports: dict[str, StepReport] = {}
        """Steps that ran commands, by their names."""
        self.keys: dict[str, list[str]] = {}
        """Keys of their jobs."""

    def output_callback(self, out: Any, process_status: str) -> None:
        """Take the outputs of the workflow; handles are no files that are delivered."""
        super().output_callback(self._without_handle_files(out), process_status)

    def _run_here(self, job: Any, context: Any) -> None:
        if isinstance(job, BlockJob):
            while self._running:
                self._wait()
            self._flush()
        super()._run_here(job, context)

    def _start(self, job: ForeignJob, context: Any) -> None:
        report = self.reports.setdefault(job.step, StepReport(job.step, job.document, "", 0))
        self._began.setdefault(job.step, time.monotonic())
        report.total += 1
        super()._start(job, context)

    def _repeat(self, running: RunningJob, status: JobStatus) -> None:
        super()._repeat(running, status)
        report = self.reports[running.job.step]
        report.count_retry()
        self._progress(report)

    def _count(self, job: ForeignJob, key: str, what: str, seconds: float, peak_bytes: int) -> None:
        super()._count(job, key, what, seconds, peak_bytes)
        self.keys.setdefault(job.step, []).append(key)
        report = self.reports[job.step]
        report.run, report.reused = report.run + (what == "run"), report.reused + (what == "reused")
        report.worker_s, report.peak_bytes = report.worker_s + seconds, max(report.peak_bytes, peak_bytes)
        report.wall_s = time.monotonic() - self._began[job.step]
        self._progress(report)

    def _without_handle_files(self, value: Any) -> Any:
        if is_file(value):
            handle = self._blocks.handle_of(value)
            return value if handle is None else {HANDLE: handle.to_json()}
        if isinstance(value, Mapping):
            return {name: self._without_handle_files(one) for name, one in value.items()}
        return [self._without_handle_files(one) for one in value] if isinstance(value, list) else value
