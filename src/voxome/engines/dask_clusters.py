"""Dask clusters that the engine ``dask`` starts or joins."""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from voxome.config.machine import available_memory_bytes
from voxome.errors import InvalidInput, MissingExtra, StoreError, UnknownName
from voxome.extras import require

_LOG = logging.getLogger(__name__)
_CONNECT_S = 60.0
_CLOSE_S = 30.0
_DASHBOARD = "127.0.0.1:0"
"""A free port, which only this machine reaches."""
_SCHEDULER = {"allowed_failures": 0}
"""Dask repeats no job by itself: whoever gave it to the engine counts its losses."""
_LOGS = {"distributed.admin.low-level-log-length": 50}
"""Events that a scheduler remembers, each with the jobs of a task; Dask's own limit of 1,000 would take 25 MB."""


@dataclass(frozen=True)
class ClusterOptions:
    """Options of a cluster; those that are None are Dask's own defaults, which its configuration files can set.

    Attributes
    ----------
    workers : int
        Number of jobs that run at once, unless the cluster adapts.
    minimum, maximum : int or None
        Limits of the number of Dask workers; with either the cluster adapts to the number of jobs.
    cores : int or None
        Jobs that each Dask worker runs at once.
    memory, queue, walltime, account, interface : str or None
        As in dask-jobqueue: what a job of the queueing system asks for, and the network interface of the scheduler.
    hosts : str or None
        Hosts of ``ssh``, separated by commas; the first one also runs the scheduler.
    log : path
        Log of the run; the queueing system writes its logs beside it.
    """

    workers: int
    log: Path
    minimum: int | None = None
    maximum: int | None = None
    cores: int | None = None
    memory: str | None = None
    queue: str | None = None
    walltime: str | None = None
    account: str | None = None
    interface: str | None = None
    hosts: str | None = None

    @property
    def adapts(self) -> bool:
        """Whether the number of Dask workers follows that of jobs."""
        return self.minimum is not None or self.maximum is not None


@dataclass
class DaskCluster:
    """A cluster with a connection to it.

    Attributes
    ----------
    client : distributed.Client
        The connection.
    slots : int or None
        Jobs that run at once; None where others decide on the workers.
    log : path or None
        File for what jobs print, where workers can write to it; else it goes to the logs of the workers.
    resources : mapping of str to float
        What each worker declares, where that is known.
    stack : contextlib.ExitStack
        Closes what was started.
    started : distributed.SpecCluster, optional
        What was started, if its workers can be replaced.
    """

    client: Any
    slots: int | None
    log: Path | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    started: Any = None

    def replace_workers(self) -> None:
        """Start other workers for those that could not start, or took longer to start again than Dask waits for."""
        if self.started is not None:
            self.started.loop.add_callback(_replace_workers, self.started)

    def close(self) -> None:
        """Close the connection, and the cluster if it was started here."""
        self.stack.close()


def open_cluster(kind: str, options: ClusterOptions) -> DaskCluster:
    """Start a cluster of a kind, or connect to the scheduler at an address.

    Raises
    ------
    UnknownName, InvalidInput
        If there is no such kind, or if it does not take an option or needs another.
    MissingExtra
        If a package is not installed.
    StoreError
        If there is no scheduler at the address.
    """
    require("dask", "dask", "distributed")
    import dask

    _set_default_log_level(logging.getLogger().getEffectiveLevel())
    import_module("distributed")  # which adds its settings to those of dask
    with contextlib.ExitStack() as stack:
        if kind in _KINDS:
            _check(kind, options)
            with dask.config.set(_LOGS):
                opened = _KINDS[kind](options, stack)
        elif ":" in kind:
            _check("ADDRESS", options)
            opened = DaskCluster(_connect(kind, stack), None)
        else:
            raise UnknownName.of("cluster", kind, [*_KINDS, "ADDRESS"])
        opened.stack = stack.pop_all()
        return opened


def _set_default_log_level(level: int) -> None:
    """Let Dask log from this level on, unless its configuration sets one; it reads that when it is imported."""
    import dask

    dask.config.update_defaults({"distributed": {"logging": {"distributed": level}}})


def _replace_workers(cluster: Any) -> None:
    from distributed.core import Status

    for name, worker in list(cluster.workers.items()):
        if worker.status in (Status.failed, Status.closed):
            del cluster.workers[name]
    cluster.scale(len(cluster.worker_spec))


def _check(kind: str, options: ClusterOptions) -> None:
    """Refuse options that a cluster has no use for, and limits that contradict each other."""
    given = {name for name, value in vars(options).items() if name not in ("workers", "log") and value is not None}
    foreign = sorted(given - _TAKEN[kind])
    if foreign:
        known = ", ".join(sorted(_TAKEN[kind])) or "no option"
        raise InvalidInput(f"cluster={kind} does not take {', '.join(foreign)}; it takes {known}")
    if options.maximum is not None and options.maximum < max(1, options.minimum or 0):
        raise InvalidInput(f"maximum={options.maximum} workers, expected at least 1 and minimum={options.minimum or 0}")


def _close(opened: Any) -> None:
    """Close a cluster or client; what is slow to end on a busy machine ends with this process."""
    try:
        opened.close(timeout=_CLOSE_S)
    except TimeoutError:
        _LOG.warning("The Dask %s did not close in %g s", type(opened).__name__, _CLOSE_S)


def _connect(target: Any, stack: contextlib.ExitStack) -> Any:
    from distributed import Client

    try:
        client = Client(target, set_as_default=False, timeout=_CONNECT_S, name="voxome")
    except (OSError, ValueError) as error:
        raise StoreError(
            f"There is no Dask scheduler at {target}: {error}; start it, or give another address"
        ) from error
    stack.callback(_close, client)
    return client


def _scale(cluster: Any, options: ClusterOptions, *, cores: int, replace: bool) -> int:
    """Set the number of workers, and return that of jobs at once.

    Where Dask does not `replace` a worker that died, it adapts between equal limits, which does.
    """
    count = math.ceil(options.workers / cores)
    if options.adapts:
        maximum = options.maximum if options.maximum is not None else max(count, options.minimum or 0)
        cluster.adapt(minimum=options.minimum or 0, maximum=maximum)
        return maximum * cores
    if replace:
        cluster.scale(count)
    else:
        cluster.adapt(minimum=count, maximum=count)
    return options.workers if count == 1 else count * cores


def _open_local(options: ClusterOptions, stack: contextlib.ExitStack) -> DaskCluster:
    from dask.utils import parse_bytes
    from distributed import LocalCluster

    scratch = tempfile.mkdtemp(prefix="voxome-dask-")
    stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    cores = options.cores or options.workers
    count = options.maximum or math.ceil(options.workers / cores)
    memory = parse_bytes(options.memory) if options.memory else (available_memory_bytes() or 0) // count
    resources = {"cpus": float(cores), **({"memory": float(memory)} if memory else {})}
    cluster = LocalCluster(
        n_workers=0,
        threads_per_worker=cores,
        processes=True,
        memory_limit=0,
        resources=resources,
        local_directory=scratch,
        env={"DASK_CONFIG": scratch},
        dashboard_address=_DASHBOARD,
        silence_logs="ERROR",
        scheduler_kwargs=_SCHEDULER,
    )
    stack.callback(_close, cluster)
    slots = _scale(cluster, options, cores=cores, replace=True)
    return DaskCluster(_connect(cluster, stack), slots, options.log.absolute(), resources, started=cluster)


def _open_queue(system: str, options: ClusterOptions, stack: contextlib.ExitStack) -> DaskCluster:
    """Start a scheduler here, whose workers are jobs of a queueing system."""
    require("dask", "dask_jobqueue")
    import dask
    from dask.utils import parse_bytes

    interrupted = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    signal.signal(signal.SIGINT, interrupted)  # which the import has replaced by an end without an error

    settings = f"jobqueue.{system}"
    cores = options.cores or dask.config.get(f"{settings}.cores")
    memory = options.memory or dask.config.get(f"{settings}.memory")
    if not cores or not memory:
        raise InvalidInput(
            f"cluster={system} needs the cores and memory of a job; write cluster={system}&cores=8&memory=24GB, or set "
            f"{settings} in ~/.config/dask/jobqueue.yaml"
        )
    given = {name: getattr(options, name) for name in ("queue", "walltime", "account", "interface")}
    resources = {"cpus": float(cores), "memory": float(parse_bytes(memory))}
    options.log.parent.mkdir(parents=True, exist_ok=True)
    cluster = getattr(dask_jobqueue, f"{system.upper()}Cluster")(
        cores=cores,
        memory=memory,
        processes=1,
        job_name="voxome",
        log_directory=str(options.log.parent.absolute()),
        scheduler_options={**_SCHEDULER, "dashboard_address": _DASHBOARD},
        worker_extra_args=[
            "--resources",
            _quoted(resources),
            *(dask.config.get(f"{settings}.worker-extra-args") or ()),
        ],
        **{name: value for name, value in given.items() if value is not None},
    )
    stack.callback(_close, cluster)
    slots = _scale(cluster, options, cores=int(cores), replace=False)
    return DaskCluster(_connect(cluster, stack), slots, None, resources, started=cluster)


def _open_ssh(options: ClusterOptions, stack: contextlib.ExitStack) -> DaskCluster:
    try:
        require("dask", "asyncssh")
    except MissingExtra:
        raise MissingExtra("cluster=ssh needs the package asyncssh; install it with: pip install asyncssh") from None
    from dask.utils import parse_bytes
    from distributed import SSHCluster

    hosts = [host.strip() for host in (options.hosts or "").split(",") if host.strip()]
    if not hosts:
        raise InvalidInput(
            "cluster=ssh needs hosts; write cluster=ssh&hosts=node1,node2: the first runs the scheduler too"
        )
    cores = options.cores or math.ceil(options.workers / len(hosts))
    resources = {"cpus": float(cores), **({"memory": float(parse_bytes(options.memory))} if options.memory else {})}
    cluster = SSHCluster(
        [hosts[0], *hosts],
        worker_options={"nthreads": cores, "memory_limit": 0, "resources": resources},
        scheduler_options={**_SCHEDULER, "dashboard_address": _DASHBOARD},
    )
    stack.callback(_close, cluster)
    return DaskCluster(_connect(cluster, stack), len(hosts) * cores, None, resources)


def _quoted(resources: Mapping[str, float]) -> str:
    """Return resources as `dask worker` takes them, quoted for the shell of a job script."""
    return "'" + " ".join(f"{name}={value:.0f}" for name, value in resources.items()) + "'"


_KINDS: dict[str, Callable[[ClusterOptions, contextlib.ExitStack], DaskCluster]] = {
    "local": _open_local,
    "pbs": lambda options, stack: _open_queue("pbs", options, stack),
    "slurm": lambda options, stack: _open_queue("slurm", options, stack),
    "ssh": _open_ssh,
}
_QUEUE = frozenset({"minimum", "maximum", "cores", "memory", "queue", "walltime", "account", "interface"})
_TAKEN: dict[str, frozenset[str]] = {
    "ADDRESS": frozenset(),
    "local": frozenset({"minimum", "maximum", "cores", "memory"}),
    "pbs": _QUEUE,
    "slurm": _QUEUE,
    "ssh": frozenset({"cores", "memory", "hosts"}),
}
