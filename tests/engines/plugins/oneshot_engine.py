"""An engine as another package would write it: one process for each job, with folders other than the runner's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from voxome.contracts.engine import WORKER_MODULE, Job, JobStatus

_POLL_S = 0.02


class OneshotEngine:
    """Starts ``python -m voxome.blocks.worker --job FILE --result FILE`` for each job."""

    name = "oneshot"

    def __init__(self, *, workers: int, log: Path, threads: str = "1") -> None:
        self.slots = workers
        self._log, self._threads = log, threads
        self._root = Path(tempfile.mkdtemp(prefix="oneshot-"))
        self._waiting: deque[Job] = deque()
        self._running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
        self._number = 0

    def submit(self, jobs: Sequence[Job]) -> None:
        self._waiting.extend(jobs)
        self._start()

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        deadline = time.monotonic() + timeout_s
        while True:
            ended = [name for name, (process, _) in self._running.items() if process.poll() is not None]
            statuses = [self._status(name) for name in ended]
            self._start()
            if statuses or time.monotonic() >= deadline:
                return statuses
            time.sleep(_POLL_S)

    def cancel(self, ids: Collection[str]) -> None:
        self._waiting = deque(job for job in self._waiting if job.id not in ids)
        for name in set(ids) & set(self._running):
            process, folder = self._running.pop(name)
            process.kill()
            process.wait()
            shutil.rmtree(folder)

    def close(self) -> None:
        self._waiting.clear()
        self.cancel(list(self._running))
        shutil.rmtree(self._root, ignore_errors=True)

    def _start(self) -> None:
        while self._waiting and len(self._running) < self.slots:
            job = self._waiting.popleft()
            self._number += 1
            folder = self._root / str(self._number)
            for name in ("home", "temporary", "working"):
                (folder / name).mkdir(parents=True)
            (folder / "job.json").write_text(json.dumps(job.to_json()), encoding="utf-8")
            files = ["--job", str(folder / "job.json"), "--result", str(folder / "result.json")]
            environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
            environment |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary")}
            environment |= {"OMP_NUM_THREADS": self._threads, "VOXOME_THREADS": self._threads}
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                command = [sys.executable, "-m", WORKER_MODULE, *files]
                process = subprocess.Popen(command, env=environment, cwd=folder / "working", stdout=log, stderr=log)
            self._running[job.id] = process, folder

    def _status(self, name: str) -> JobStatus:
        process, folder = self._running.pop(name)
        try:
            return JobStatus.from_json(json.loads((folder / "result.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return JobStatus(name, "lost", error=f"its process ended with status {process.returncode}")
        finally:
            shutil.rmtree(folder)
