"""Long-lived worker processes on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from voxome.contracts.engine import Job, JobStatus

_CLOSE_TIMEOUT_S = 5.0
_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VOXOME_THREADS")
_MEMORY_SETTINGS = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""One pool of free memory for all libraries, which can be given back."""


class _Worker:
    """One process, the job that it has, and the bytes of its answer so far."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: IO[bytes]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.job: Job | None = None
        self.answer = b""

    def start(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(BrokenPipeError):
            self.stdin.write(json.dumps({"id": job.id, **job.payload}).encode() + b"\n")
            self.stdin.flush()

    def receive(self) -> JobStatus | None:
        """The status of its job once the answer is complete, or the process is gone."""
        data = os.read(self.stdout.fileno(), 1 << 16)
        job = self.job
        if not data:
            self.job = None
            code = self.process.wait()
            reason = f"its worker was ended by signal {-code}" if code < 0 else f"its worker ended with status {code}"
            return None if job is None else JobStatus(job.id, "lost", error=reason)
        self.answer += data
        if not self.answer.endswith(b"\n"):
            return None
        told: dict[str, Any] = json.loads(self.answer)
        self.job, self.answer = None, b""
        return JobStatus(told["id"], told["state"], told.get("result", {}), told.get("error", ""))

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        if self.job is not None:
            self.process.kill()
        try:
            self.process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.stdout.close()


class LocalEngine:
    """Workers that are started at the first job, replaced when they die, and end with this process.

    Parameters
    ----------
    command : sequence of str
        Starts a worker: a job a JSON line on its standard input, an answer a line on its standard output.
    workers : int
        How many.
    log : path
        What the workers say on their standard error.
    """

    name = "local"

    def __init__(self, command: Sequence[str], workers: int, log: Path) -> None:
        self.slots = workers
        self._command = list(command)
        self._log = log
        self._waiting: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def pids(self) -> list[int]:
        """The processes of the workers."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, jobs: Sequence[Job]) -> None:
        self._waiting.extend(jobs)
        self._hand_out()

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        ended = []
        for key, _ in self._selector.select(timeout_s):
            worker: _Worker = key.data
            job, status = worker.job, worker.receive()
            if status is not None:
                ended.append(status)
            used_up = status is not None and job is not None and job.alone
            if used_up or worker.process.returncode is not None:
                self._end(worker)
        self._hand_out()
        return ended

    def cancel(self, ids: Collection[str]) -> None:
        self._waiting = deque(job for job in self._waiting if job.id not in ids)
        for worker in [w for w in self._workers if w.job is not None and w.job.id in ids]:
            self._end(worker)

    def close(self) -> None:
        self._waiting.clear()
        for worker in list(self._workers):
            self._end(worker)
        self._selector.close()

    def _hand_out(self) -> None:
        while self._waiting and len(self._busy()) < self.slots:
            job = self._waiting.popleft()
            idle = next((w for w in self._workers if w.job is None), None)
            if idle is not None and job.alone:
                self._end(idle)
                idle = None
            (idle or self._spawn()).start(job)

    def _busy(self) -> list[_Worker]:
        return [w for w in self._workers if w.job is not None]

    def _spawn(self) -> _Worker:
        threads = str(max(1, (os.cpu_count() or 1) // self.slots))
        environment = {**os.environ, **dict.fromkeys(_THREAD_SETTINGS, threads), **_MEMORY_SETTINGS}
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            worker = _Worker(self._command, environment, log)
        self._workers.append(worker)
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        self._selector.unregister(worker.stdout)
        self._workers.remove(worker)
        worker.end()
