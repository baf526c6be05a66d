"""The status of a relay: health and load of each source, the cache, the processes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voxome
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.counters import BUCKETS_S, SourceCounters
from voxome.relay.processes import ProcessTable
from voxome.relay.sources import Sources

_HITS = ("memory_hits", "disk_hits", "stale_hits")
_READS = (*_HITS, "misses", "collapsed")


def build_status(sources: Sources, names: Iterable[str], cache: ChunkCache, processes: ProcessTable) -> dict[str, Any]:
    """Return the status as JSON values; of errors only the class, since texts may have addresses.

    Parameters
    ----------
    sources : Sources
        All sources.
    names : iterable of str
        Those, and the stores, that the caller may read.
    cache : ChunkCache
        Their cache.
    processes : ProcessTable
        The processes of the relay.
    """
    alive = processes.alive()
    started = min((one.started for one in alive), default=time.time())
    memory = {
        "bytes": sum(one.memory_bytes for one in alive), "budget_bytes": cache.memory.budget * max(1, len(alive)),
    }  # fmt: skip
    disk = None if cache.disk is None else {"bytes": cache.disk.nbytes, "budget_bytes": cache.disk.budget}
    return {
        "version": voxome.__version__,
        "started": _time(started),
        "uptime_s": round(time.time() - started),
        "processes": [{"pid": one.pid, "started": _time(one.started)} for one in alive],
        "cache": {"memory": memory, "disk": disk},
        "sources": [_source(name, sources.counters(name)) for name in names],
    }


def warnings_of_stores(sources: Sources, names: Iterable[str]) -> list[str]:
    """Return a sentence about each source, or store, of those names that could not be reached when it was last used.

    Its cached chunks may still be served; of the error the sentence has only the class.
    """
    healths = {name: sources.counters(name).health for name in names}
    return [
        f"{name}: its store could not be reached {_ago(one.failure)} ({one.error}), and has not been since"
        for name, one in healths.items()
        if one.is_unreached
    ]


def _ago(seconds: float) -> str:
    return f"{max(0.0, time.time() - seconds):.0f} s ago"


def _source(name: str, counters: SourceCounters) -> dict[str, Any]:
    health, total = counters.health, counters.total
    reads = sum(total(one) for one in _READS)
    return {
        "name": name,
        "state": health.state,
        "last_success": _time(health.success),
        "last_error": None if not health.error else {"time": _time(health.failure), "class": health.error},
        "errors": int(total("errors")),
        "chunk_reads": int(reads),
        "hit_rate": round(sum(total(one) for one in _HITS) / reads, 4) if reads else None,
        "prefetched": int(total("prefetched")),
        "read_bytes": int(total("read_bytes")),
        "fetched_bytes": int(total("fetched_bytes")),
        "written_bytes": int(total("written_bytes")),
        "latency_s": _latency(counters.latencies(), total("fetch_s")),
    }


def _latency(classes: NDArray[np.float64], seconds: float) -> dict[str, float | None] | None:
    """Return the mean, and the ends of the classes that have half and 95 % of the reads; None beyond the last class."""
    count = classes.sum()
    if not count:
        return None
    ends = (*BUCKETS_S, None)
    median, high = (ends[int(np.searchsorted(np.cumsum(classes), part * count))] for part in (0.5, 0.95))
    return {"mean": round(seconds / float(count), 4), "p50": median, "p95": high}


def _time(seconds: float) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
