"""Long-lived worker processes on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import IO

from voxome.config.machine import MOST_CPUS, available_cpus, available_memory_bytes, resident_bytes
from voxome.contracts.engine import WORKER_MODULE, Capacity, Job, JobStatus
from voxome.engines.worker_environment import worker_environment

WORKER = (sys.executable, "-m", WORKER_MODULE)
"""Command that starts a worker: a job per line on its standard input, a status per line on its standard output."""
KEPT_BYTES = 512 << 20
"""A worker that keeps more memory ends before and after a job of unbounded memory; all modules of a run take 0.4 GB."""
_CLOSE_TIMEOUT_S = 5.0


class _Worker:
    """One process, the job it runs, and the bytes of the reply so far."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: IO[bytes] | None) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.job: Job | None = None
        self.reply = b""

    def start(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(BrokenPipeError):
            self.stdin.write(json.dumps(job.to_json()).encode() + b"\n")
            self.stdin.flush()

    def receive(self) -> JobStatus | None:
        """Return the status of the job once the reply is complete or the process has ended."""
        data = os.read(self.stdout.fileno(), 1 << 16)
        job = self.job
        if not data:
            self.job = None
            code = self.process.wait()
            reason = f"its worker was killed by signal {-code}" if code < 0 else f"its worker exited with status {code}"
            return None if job is None else JobStatus(job.id, "lost", error=reason)
        self.reply += data
        if not self.reply.endswith(b"\n"):
            return None
        reply, self.job, self.reply = self.reply, None, b""
        return JobStatus.from_json(json.loads(reply))

    def is_small(self) -> bool:
        """Whether the process keeps little memory; False where that is unknown."""
        kept = resident_bytes(self.process.pid)
        return kept is not None and kept <= KEPT_BYTES

    def end(self) -> None:
        """Have the process end, and kill it if it is busy."""
        if self.job is not None:
            self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()

    def join(self) -> None:
        """Wait for the end of the process, and kill it if it does not end."""
        try:
            self.process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.stdout.close()


class LocalEngine:
    """Workers that start with the first job, are replaced when they die, and end with this process.

    They stay over the steps of a run. Those that keep much memory end before a job whose memory is unbounded, and the
    one that ran it ends afterwards if it does.

    Parameters
    ----------
    workers : int
        Number of processes.
    log : path or None
        File to which the workers' standard error is appended; that of this process if None.
    command : sequence of str
        Starts a worker.
    memory_bytes : int, optional
        Memory that the jobs may take together, by their own estimates; what this process may use if None.
    threads : int, optional
        Threads of the libraries in each worker; its share of the cores if None.
    """

    name = "local"

    def __init__(
        self,
        *,
        workers: int,
        log: Path | None,
        command: Sequence[str] = WORKER,
        memory_bytes: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.slots = workers
        self._threads = max(1, available_cpus() // workers) if threads is None else threads
        self._memory_bytes = available_memory_bytes() if memory_bytes is None else memory_bytes
        self._command = list(command)
        self._log = log
        self._waiting: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def capacity(self) -> Capacity:
        """Return the memory of this machine; jobs may share its cores."""
        return Capacity(MOST_CPUS, self._memory_bytes)

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs and start as many as there are free slots."""
        self._waiting.extend(jobs)
        self._start_jobs()

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended, and start the next ones."""
        ended = []
        for key, _ in self._selector.select(timeout_s):
            worker: _Worker = key.data
            job, status = worker.job, worker.receive()
            if status is not None:
                ended.append(status)
            unbounded = status is not None and job is not None and job.resources.unbounded_memory
            if worker.process.returncode is not None or (unbounded and not worker.is_small()):
                self._stop(worker)
        self._start_jobs()
        return ended

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs and kill the workers of running ones."""
        self._waiting = deque(job for job in self._waiting if job.id not in ids)
        for worker in [w for w in self._workers if w.job is not None and w.job.id in ids]:
            self._stop(worker)

    def close(self) -> None:
        """End all workers."""
        self._waiting.clear()
        for worker in self._workers:
            worker.end()
        for worker in list(self._workers):
            self._stop(worker)
        self._selector.close()

    def _start_jobs(self) -> None:
        while self._waiting and len(self._busy()) < self.slots and self._fits(self._waiting[0]):
            job = self._waiting.popleft()
            if job.resources.unbounded_memory:
                self._end_large()
            idle = next((w for w in self._workers if w.job is None), None)
            (idle or self._start_worker()).start(job)

    def _end_large(self) -> None:
        """End the idle workers that keep much memory."""
        for worker in [w for w in self._workers if w.job is None and not w.is_small()]:
            self._stop(worker)

    def _fits(self, job: Job) -> bool:
        """Whether the memory that a job is expected to take is left beside the running ones; one always runs."""
        running = [worker.job.resources.memory_bytes or 0 for worker in self._busy() if worker.job is not None]
        needed = sum(running) + (job.resources.memory_bytes or 0)
        return not running or self._memory_bytes is None or needed <= self._memory_bytes

    def _busy(self) -> list[_Worker]:
        return [w for w in self._workers if w.job is not None]

    def _start_worker(self) -> _Worker:
        environment = {**os.environ, **worker_environment(self._threads)}
        with contextlib.ExitStack() as stack:
            log = None
            if self._log is not None:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                log = stack.enter_context(self._log.open("ab"))
            worker = _Worker(self._command, environment, log)
        self._workers.append(worker)
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)
        return worker

    def _stop(self, worker: _Worker) -> None:
        self._selector.unregister(worker.stdout)
        self._workers.remove(worker)
        worker.end()
        worker.join()


def open_local(*, workers: int, log: Path) -> LocalEngine:
    """Return the engine ``local``."""
    return LocalEngine(workers=workers, log=log)
