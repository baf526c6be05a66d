"""Commands of foreign programs as jobs of this process, which needs no workers: each runs under a supervisor anyway."""

from __future__ import annotations

import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from voxome.config.machine import MOST_CPUS, available_memory_bytes
from voxome.contracts.engine import Capacity, Engine, Job, JobStatus
from voxome.engines.choice import DEFAULT
from voxome.engines.local import LocalEngine
from voxome.engines.perform import perform
from voxome.redaction import redact
from voxome.registry import factory
from voxome.workflow.foreign.task import run_command


class _Call:
    """A command that a thread waits for, and that another one may stop."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._is_stopped = False

    def started(self, stop: Callable[[], None]) -> None:
        """Take the function that ends the command, which may have been stopped before."""
        with self._lock:
            self._stop = stop
            if self._is_stopped:
                stop()

    def stop(self) -> None:
        """End the command, now or as soon as it has started."""
        with self._lock:
            self._is_stopped = True
            if self._stop is not None:
                self._stop()


class CommandEngine:
    """Runs jobs of the task ``command``, a thread for each; it is the engine ``local`` for them.

    Parameters
    ----------
    workers : int
        Number of commands at a time.
    log : path or None
        File to which the tracebacks of jobs that failed are appended; standard error if None.
    memory_bytes : int, optional
        Memory that the jobs may take together, by their own estimates; what this process may use if None.
    """

    name = DEFAULT

    def __init__(self, *, workers: int, log: Path | None, memory_bytes: int | None = None) -> None:
        self.slots = workers
        self._log = log
        self._memory_bytes = available_memory_bytes() if memory_bytes is None else memory_bytes
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="voxome-command")
        self._waiting: deque[Job] = deque()
        self._running: dict[str, _Call] = {}
        self._ended: queue.SimpleQueue[tuple[_Call, JobStatus]] = queue.SimpleQueue()

    def capacity(self) -> Capacity:
        """Return the memory of this machine; jobs may share its cores."""
        return Capacity(MOST_CPUS, self._memory_bytes)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs and start as many as there are free slots."""
        self._waiting.extend(jobs)
        self._start_jobs()

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended, and start the next ones."""
        statuses: list[JobStatus] = []
        try:
            self._accept(*self._ended.get(timeout=timeout_s), statuses)
            while True:
                self._accept(*self._ended.get_nowait(), statuses)
        except queue.Empty:
            self._start_jobs()
            return statuses

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs and end the commands of running ones."""
        self._waiting = deque(job for job in self._waiting if job.id not in ids)
        for name in set(ids) & set(self._running):
            self._running.pop(name).stop()

    def close(self) -> None:
        """End all commands."""
        self._waiting.clear()
        self.cancel(list(self._running))
        self._pool.shutdown(cancel_futures=True)

    def _accept(self, call: _Call, status: JobStatus, statuses: list[JobStatus]) -> None:
        """Take the status of a job that was not cancelled."""
        if self._running.get(call.job.id) is call:
            del self._running[call.job.id]
            statuses.append(status)

    def _start_jobs(self) -> None:
        while self._waiting and len(self._running) < self.slots and self._fits(self._waiting[0]):
            call = _Call(self._waiting.popleft())
            self._running[call.job.id] = call
            self._pool.submit(self._perform, call)

    def _fits(self, job: Job) -> bool:
        """Whether the memory that a job is expected to take is left beside the running ones; one always runs."""
        running = [call.job.resources.memory_bytes or 0 for call in self._running.values()]
        needed = sum(running) + (job.resources.memory_bytes or 0)
        return not running or self._memory_bytes is None or needed <= self._memory_bytes

    def _perform(self, call: _Call) -> None:
        """Put the status of a job, however it ends: a run waits for it."""
        try:
            status = perform(call.job, partial(run_command, on_start=call.started), log=self._log)
        except BaseException as error:
            text = redact("".join(traceback.format_exception_only(error)).strip())
            status = JobStatus(call.job.id, "failed", error=text, error_type=type(error).__name__)
        self._ended.put((call, status))


@contextmanager
def commands_on(engine: Engine, log: Path) -> Iterator[Engine]:
    """Give the engine for commands in place of one of a run: those of the engine ``local`` need no worker."""
    if not isinstance(engine, LocalEngine):
        yield engine
        return
    with closing(CommandEngine(workers=engine.slots, log=log)) as own:
        yield own


def command_engine_opener(spec: str) -> Callable[..., Engine]:
    """Return what opens an engine for commands.

    Parameters
    ----------
    spec : str
        ``NAME[?option=value&…]`` of an engine.

    Raises
    ------
    UnknownName, InvalidInput, PluginError
        If the engine does not exist, or does not take an option.
    """
    opener: Callable[..., Engine] = CommandEngine if spec == DEFAULT else factory("voxome.engines", spec)
    return opener
