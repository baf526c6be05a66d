"""Jobs on a Dask cluster: of this machine, of a queueing system, of hosts reached by ssh, or one that runs already."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import json
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voxome.contracts.engine import Job, JobStatus, Resources
from voxome.engines.dask_clusters import ClusterOptions, DaskCluster, open_cluster
from voxome.engines.dask_worker import describe_worker, end_children, perform_text, stop_attempts
from voxome.errors import InvalidInput, StoreError, describe_value
from voxome.redaction import redact

MAX_FUTURES = 2_000
"""Jobs that the scheduler knows at once, or the number of slots if that is larger; the others wait in the engine."""
_AHEAD = 2
"""Jobs that the scheduler knows, for each slot."""
_BROADCAST_S = 10.0
_REFRESH_S = 10.0


class DaskEngine:
    """Gives jobs to a Dask cluster as JSON, a few more than run at once, and never the same key twice.

    A job runs in a child process of a Dask worker (`voxome.engines.dask_worker`): its death is that of no other job.

    Parameters
    ----------
    cluster : DaskCluster
        Runs the jobs; closed with the engine.
    job_s : float, optional
        Time after which a job is stopped, and has failed.
    """

    name = "dask"

    def __init__(self, cluster: DaskCluster, *, job_s: float | None = None) -> None:
        self._cluster, self._client = cluster, cluster.client
        self._job_s = job_s
        self._session = f"voxome-{uuid.uuid4().hex}"
        self._numbers = itertools.count()
        self._waiting: deque[Job] = deque()
        self._running: dict[str, tuple[str, Any]] = {}
        self._ended: queue.SimpleQueue[tuple[str, Any, JobStatus]] = queue.SimpleQueue()
        self._threads, self._largest = 1, dict(cluster.resources)
        self._refreshed_s = -_REFRESH_S
        self._closed = False

    @property
    def slots(self) -> int:
        """Jobs that run at once: as many as the engine's own cluster will have, or another's has now."""
        if self._cluster.slots is not None:
            return self._cluster.slots
        self._refresh()
        return self._threads

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs."""
        self._waiting.extend(jobs)
        self._start_jobs()

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended, and start the next ones."""
        self._start_jobs()
        statuses: list[JobStatus] = []
        with contextlib.suppress(queue.Empty):
            statuses += self._accept(*self._ended.get(timeout=timeout_s))
            while True:
                statuses += self._accept(*self._ended.get_nowait())
        self._start_jobs()
        return statuses

    def cancel(self, ids: Collection[str]) -> None:
        """Remove waiting jobs and kill the processes of running ones."""
        self._waiting = deque(job for job in self._waiting if job.id not in ids)
        self._stop([self._running.pop(name) for name in set(ids) & set(self._running)], stop_attempts)

    def close(self) -> None:
        """Stop all jobs, end the processes that ran them, and close the cluster if the engine started it."""
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        running = list(self._running.values())
        self._running.clear()
        try:
            self._stop(running, end_children)
        finally:
            self._cluster.close()

    def _start_jobs(self) -> None:
        if not self._waiting:
            return
        if self._client.status not in ("running", "connecting"):
            raise StoreError(
                "The Dask scheduler ended, or could not be reached for a minute; start it again, or another cluster, "
                "and rerun to resume"
            )
        slots = self.slots
        limit = max(slots, min(MAX_FUTURES, _AHEAD * slots))
        while self._waiting and len(self._running) < limit:
            self._start(self._waiting.popleft())

    def _start(self, job: Job) -> None:
        number = next(self._numbers)
        attempt = f"{self._session}/{number}"
        future = self._client.submit(
            perform_text,
            json.dumps(job.to_json()),
            attempt,
            None if self._cluster.log is None else str(self._cluster.log),
            self._job_s,
            key=(self._session, number),
            pure=False,
            resources=self._resources(job.resources),
        )
        self._running[job.id] = attempt, future
        self._on_loop(self._follow(job.id, future))

    async def _follow(self, name: str, future: Any) -> None:
        self._ended.put((name, future, await _status(name, future)))

    def _accept(self, name: str, future: Any, status: JobStatus) -> list[JobStatus]:
        """Return the status of an attempt that was not cancelled."""
        if self._running.get(name, ("", None))[1] is not future:
            return []
        del self._running[name]
        return [status]

    def _resources(self, needed: Resources) -> dict[str, float]:
        """Return what the workers declare of what a job needs, and at most what one has: it would wait for ever."""
        amounts = {"cpus": needed.cpus, "memory": needed.memory_bytes or 0, "gpus": needed.gpus}
        return {
            name: min(amount, self._largest[name])
            for name, amount in amounts.items()
            if amount and name in self._largest
        }

    def _refresh(self) -> None:
        """Ask the workers of a cluster of others what they have, now and then."""
        if time.monotonic() - self._refreshed_s < _REFRESH_S:
            return
        described = self._broadcast(describe_worker)
        self._refreshed_s = time.monotonic()
        if described:
            self._threads = sum(worker["threads"] for worker in described.values())
            names = {name for worker in described.values() for name in worker["resources"]}
            self._largest = {
                name: max(worker["resources"].get(name, 0) for worker in described.values()) for name in names
            }

    def _stop(self, attempts: Sequence[tuple[str, Any]], stop: Callable[[Sequence[str]], None]) -> None:
        if attempts:
            with contextlib.suppress(OSError, RuntimeError, concurrent.futures.TimeoutError):
                self._client.cancel([future for _, future in attempts], force=True)
        if attempts or stop is end_children:
            self._broadcast(stop, [attempt for attempt, _ in attempts])

    def _broadcast(self, function: Callable[..., Any], *arguments: object) -> Mapping[str, Any]:
        """Call a function in all workers that answer in time, and return what it returned."""

        async def call() -> Mapping[str, Any]:
            results: Mapping[str, Any] = await self._client.run(function, *arguments, on_error="ignore")
            return results

        future = self._on_loop(call())
        try:
            return future.result(_BROADCAST_S)
        except (OSError, RuntimeError, concurrent.futures.TimeoutError):
            future.cancel()
            return {}

    def _on_loop(self, coroutine: Any) -> concurrent.futures.Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._client.loop.asyncio_loop)


async def _status(name: str, future: Any) -> JobStatus:
    from distributed import CancelledError, KilledWorker

    try:
        return JobStatus.from_json(json.loads(await future))
    except KilledWorker as error:
        return JobStatus(name, "lost", error=f"its Dask worker {error.last_worker.address} died")
    except (asyncio.CancelledError, CancelledError) as error:
        return JobStatus(name, "lost", error=f"Dask dropped it, as when its scheduler dies: {redact(str(error))}")
    except Exception as error:
        text = redact(f"{type(error).__name__}: {error}")
        hint = "all workers need the same voxome and distributed as this process"
        return JobStatus(
            name, "failed", error=f"its Dask worker cannot run it: {text}; {hint}", error_type="PluginError"
        )


def open_dask(
    *,
    workers: int,
    log: Path,
    cluster: str = "local",
    minimum: str | None = None,
    maximum: str | None = None,
    cores: str | None = None,
    memory: str | None = None,
    queue: str | None = None,
    walltime: str | None = None,
    account: str | None = None,
    interface: str | None = None,
    hosts: str | None = None,
    job_s: str | None = None,
) -> DaskEngine:
    """Return the engine ``dask``.

    Parameters
    ----------
    workers : int
        Jobs that run at once, unless the cluster adapts or is that of others.
    log : path
        Log of the workers.
    cluster : str
        ``local``, ``slurm``, ``pbs``, ``ssh``, or the address of a scheduler, such as ``tcp://10.0.0.1:8786``.
    minimum, maximum : str, optional
        Limits of the number of Dask workers, which then follows that of jobs.
    cores, memory : str, optional
        Jobs that a Dask worker runs at once, and the memory for them, such as ``24GB``.
    queue, walltime, account, interface : str, optional
        As in dask-jobqueue, for ``slurm`` and ``pbs``.
    hosts : str, optional
        Hosts of ``ssh``, separated by commas.
    job_s : str, optional
        Seconds after which a job is stopped.

    Raises
    ------
    InvalidInput, MissingExtra, StoreError
        If an option is wrong or of another cluster, a package is missing, or the scheduler does not answer.
    """
    options = ClusterOptions(
        workers=workers,
        log=log,
        minimum=_integer("minimum", minimum, 0),
        maximum=_integer("maximum", maximum, 1),
        cores=_integer("cores", cores, 1),
        memory=_memory(memory),
        queue=queue,
        walltime=walltime,
        account=account,
        interface=interface,
        hosts=hosts,
    )
    limit_s = _seconds(job_s)
    return DaskEngine(open_cluster(cluster, options), job_s=limit_s)


def _integer(name: str, text: str | None, least: int) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) < least:
        raise InvalidInput(f"{name} is {describe_value(text)}; expected an integer of at least {least}")
    return int(text)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise InvalidInput(f"job_s is {describe_value(text)}; expected a number of seconds above 0")


def _memory(text: str | None) -> str | None:
    if text is None:
        return None
    from voxome.extras import require

    require("dask", "dask")
    from dask.utils import parse_bytes

    with contextlib.suppress(ValueError):
        if parse_bytes(text) > 0:
            return text
    raise InvalidInput(f"memory is {describe_value(text)}; expected bytes with a unit, such as 24GB")
