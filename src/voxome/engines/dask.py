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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voxome.config.machine import MOST_CPUS
from voxome.contracts.engine import Capacity, Job, JobStatus, Resources
from voxome.engines.dask_clusters import ClusterOptions, DaskCluster, open_cluster
from voxome.engines.dask_groups import GROUP_S, JobGroups
from voxome.engines.dask_worker import describe_worker, end_children, perform_group, stop_attempts
from voxome.errors import InvalidInput, StoreError, describe_value
from voxome.redaction import redact

MAX_FUTURES = 2_000
"""Tasks that the scheduler knows at once, or the number of slots if that is larger; other jobs wait in the engine."""
_AHEAD = 2
"""Tasks that the scheduler knows, for each slot."""
_BROADCAST_S = 10.0
_REFRESH_S = 10.0
_REPLACE_S = 10.0
"""Time between two looks for workers that are to be replaced."""


@dataclass(frozen=True, eq=False)
class _Task:
    """An attempt at a group of jobs, which are those of one task of Dask, by id."""

    name: str
    jobs: Mapping[str, Job]
    future: Any

    def attempt(self, job: str) -> str:
        """Return the name of the attempt at a job."""
        return f"{self.name}/{list(self.jobs).index(job)}"


class DaskEngine:
    """Gives jobs to a Dask cluster as JSON, a few more than run at once, and never the same key twice.

    A job runs in a child process of a Dask worker (`voxome.engines.dask_worker`): its death is that of no other job.
    Short jobs are grouped into tasks (`voxome.engines.dask_groups`).

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
        self._groups = JobGroups()
        self._running: dict[str, _Task] = {}
        self._tasks: set[_Task] = set()
        self._ended: queue.SimpleQueue[tuple[_Task, list[JobStatus], float]] = queue.SimpleQueue()
        self._threads, self._largest = 1, dict(cluster.resources)
        self._refreshed_s = -_REFRESH_S
        self._replaced_s = time.monotonic()
        self._closed = False

    @property
    def slots(self) -> int:
        """Jobs that run at once: as many as the engine's own cluster will have, or another's has now."""
        if self._cluster.slots is not None:
            return self._cluster.slots
        self._refresh()
        return self._threads

    def capacity(self) -> Capacity:
        """Return the most memory that a worker declares; jobs may share its cores."""
        if self._cluster.slots is None:
            self._refresh()
        memory = self._largest.get("memory")
        return Capacity(MOST_CPUS, None if memory is None else int(memory))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs."""
        self._groups.append(jobs)
        self._start_jobs()

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended, and start the next ones."""
        self._replace_workers()
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
        self._groups.remove(ids)
        cancelled = [(name, self._running.pop(name)) for name in ids if name in self._running]
        if not cancelled:
            return
        ended = {task for _, task in cancelled if not self._left(task)}
        self._tasks -= ended
        self._stop(ended, [task.attempt(name) for name, task in cancelled if task not in ended], stop_attempts)

    def close(self) -> None:
        """Stop all jobs, end the processes that ran them, and close the cluster if the engine started it."""
        if self._closed:
            return
        self._closed = True
        self._groups.clear()
        self._running.clear()
        try:
            self._stop(self._tasks, [], end_children)
        finally:
            self._cluster.close()

    def _start_jobs(self) -> None:
        if not self._groups:
            return
        if self._client.status not in ("running", "connecting"):
            raise StoreError(
                "The Dask scheduler ended, or could not be reached for a minute; start it again, or another cluster, "
                "and rerun to resume"
            )
        slots = self.slots
        limit = max(slots, min(MAX_FUTURES, _AHEAD * slots))
        while self._groups and len(self._tasks) < limit:
            self._start(self._groups.pop(limit - len(self._tasks)))

    def _start(self, jobs: Sequence[Job]) -> None:
        number = next(self._numbers)
        name = f"{self._session}/{number}"
        future = self._client.submit(
            perform_group,
            json.dumps([job.to_json() for job in jobs]),
            name,
            None if self._cluster.log is None else str(self._cluster.log),
            self._job_s,
            GROUP_S,
            key=(self._session, number),
            pure=False,
            resources=self._resources(jobs[0].resources),
        )
        task = _Task(name, {job.id: job for job in jobs}, future)
        self._tasks.add(task)
        self._running.update(dict.fromkeys(task.jobs, task))
        self._on_loop(self._follow(task))

    async def _follow(self, task: _Task) -> None:
        self._ended.put((task, *await _statuses(task)))

    def _left(self, task: _Task) -> list[str]:
        """Return the jobs of a task that have neither ended nor been cancelled."""
        return [name for name in task.jobs if self._running.get(name) is task]

    def _accept(self, task: _Task, statuses: Sequence[JobStatus], seconds: float) -> list[JobStatus]:
        """Return the statuses of attempts that were not cancelled; jobs that were not started wait again."""
        self._tasks.discard(task)
        left = self._left(task)
        for name in left:
            del self._running[name]
        ended = [status for status in statuses if status.id in left]
        started = {status.id for status in statuses}
        self._groups.note(task.jobs, statuses, seconds)
        self._groups.put_back([task.jobs[name] for name in left if name not in started])
        return ended

    def _resources(self, needed: Resources) -> dict[str, float]:
        """Return what the workers declare of what a job needs, and at most what one has: it would wait for ever."""
        amounts = {"cpus": needed.cpus, "memory": needed.memory_bytes or 0, "gpus": needed.gpus}
        return {
            name: min(amount, self._largest[name])
            for name, amount in amounts.items()
            if amount and name in self._largest
        }

    def _replace_workers(self) -> None:
        if time.monotonic() - self._replaced_s > _REPLACE_S:
            self._replaced_s = time.monotonic()
            self._cluster.replace_workers()

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

    def _stop(self, tasks: Collection[_Task], attempts: Sequence[str], stop: Callable[[Sequence[str]], None]) -> None:
        if tasks:
            with contextlib.suppress(OSError, RuntimeError, concurrent.futures.TimeoutError):
                self._client.cancel([task.future for task in tasks], force=True)
        self._broadcast(stop, [*(task.name for task in tasks), *attempts])

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


async def _statuses(task: _Task) -> tuple[list[JobStatus], float]:
    """Return the statuses of the jobs of a task that were started, and the seconds that they took."""
    from distributed import CancelledError, KilledWorker

    try:
        reply = json.loads(await task.future)
        return [JobStatus.from_json(status) for status in reply["statuses"]], reply["seconds"]
    except KilledWorker as error:
        ending = JobStatus("", "lost", error=f"its Dask worker {error.last_worker.address} died")
    except (asyncio.CancelledError, CancelledError) as error:
        ending = JobStatus("", "lost", error=f"Dask dropped it, as when its scheduler dies: {redact(str(error))}")
    except Exception as error:
        text = redact(f"{type(error).__name__}: {error}")
        hint = "all workers need the same voxome and distributed as this process"
        ending = JobStatus(
            "", "failed", error=f"its Dask worker cannot run it: {text}; {hint}", error_type="PluginError"
        )
    return [replace(ending, id=name) for name in task.jobs], 0.0


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
