"""Counters of reads by source, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from voxome.errors import (
    AccessDenied,
    CorruptData,
    InvalidInput,
    MissingExtra,
    NotFound,
    RelayLoop,
    StoreError,
    UnsupportedFormat,
)
from voxome.relay.cache.generations import PROCESSES

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the classes of latency."""
_COUNTERS = {
    "memory_hits": ("chunk_reads", 'result="memory"'),
    "disk_hits": ("chunk_reads", 'result="disk"'),
    "stale_hits": ("chunk_reads", 'result="stale"'),
    "misses": ("chunk_reads", 'result="miss"'),
    "collapsed": ("chunk_reads", 'result="collapsed"'),
    "errors": ("fetch_errors", ""),
    "prefetched": ("prefetches", 'result="fetched"'),
    "prefetch_dropped": ("prefetches", 'result="dropped"'),
    "prefetch_errors": ("prefetches", 'result="error"'),
    "fetched_bytes": ("fetched_bytes", ""),
    "read_bytes": ("read_bytes", ""),
    "written_bytes": ("written_bytes", ""),
    "fetch_s": ("fetch_seconds_sum", ""),
}
"""Name of a counter → the metric that it belongs to, and its labels."""
_HELP = {
    "chunk_reads": "Chunks read, by where they were found",
    "fetch_errors": "Reads of a chunk from the source that failed",
    "prefetches": "Chunks beside those that were read, fetched before anybody read them, left out, or failed",
    "fetched_bytes": "Bytes of voxels read from the source",
    "read_bytes": "Bytes of voxels given to clients",
    "written_bytes": "Bytes of voxels written to the source",
}
_LATENCY = "voxome_relay_fetch_seconds"
_COLUMN = {name: column for column, name in enumerate(_COUNTERS)}
_CLASSES = slice(len(_COUNTERS), len(_COUNTERS) + len(BUCKETS_S) + 1)
_SUCCESS, _FAILURE, _ERROR = range(_CLASSES.stop, _CLASSES.stop + 3)
COLUMNS = _ERROR + 1
"""Numbers that are kept for a source."""
_ERRORS: tuple[type[BaseException], ...] = (
    NotFound, AccessDenied, CorruptData, RelayLoop, UnsupportedFormat, MissingExtra, StoreError, InvalidInput,
    TimeoutError, ConnectionError, OSError, Exception, BaseException,
)  # fmt: skip
"""Classes of errors; the first that fits counts."""


_REFUSALS = frozenset(one.__name__ for one in (*_ERRORS[: _ERRORS.index(StoreError)], InvalidInput))
"""Errors by which a source has answered; by any other it was not reached."""
_AWAY_S = 60.0
"""Time after an error for which a source is known to be away."""


@dataclass(frozen=True)
class Health:
    """How reads from a source, and writes that were passed on, went, last of all processes.

    Attributes
    ----------
    success, failure : float
        Times of the last read, check or write that succeeded and that failed, in s since 1970; 0 if there was none.
    error : str
        Name of the class of the last error, empty if there was none.
    """

    success: float
    failure: float
    error: str

    @property
    def is_unreached(self) -> bool:
        """Whether the store could not be reached when that was tried last."""
        return self.state == "down" and self.error not in _REFUSALS

    @property
    def state(self) -> str:
        """What the last of them was: ``up``, ``down``, or ``unused`` if there was none."""
        if not self.success and not self.failure:
            return "unused"
        return "up" if self.success >= self.failure else "down"


class SourceCounters:
    """Counters of one source. Its methods may be called from several threads.

    Parameters
    ----------
    table : (processes, COLUMNS) array of float64, optional
        Where all processes of a relay keep them; in memory if None.
    process : int
        Row of this process.
    """

    def __init__(self, table: NDArray[np.float64] | None = None, process: int = 0) -> None:
        self._table = np.zeros((1, COLUMNS)) if table is None else table
        self.values = self._table[process]
        self._lock = Lock()

    def totals(self) -> NDArray[np.float64]:
        """Return the counters, summed over all processes."""
        return self._table[:, : _CLASSES.stop].sum(axis=0)

    def total(self, name: str) -> float:
        """Return a counter, summed over all processes."""
        return float(self._table[:, _COLUMN[name]].sum())

    def latencies(self) -> NDArray[np.float64]:
        """Return how many reads from the source took up to each of `BUCKETS_S`, and longer, in all processes."""
        return self._table[:, _CLASSES].sum(axis=0)

    @property
    def health(self) -> Health:
        """How reads from the source went."""
        row = self._table[int(self._table[:, _FAILURE].argmax())]
        number = int(row[_ERROR])
        error = _ERRORS[number - 1].__name__ if number else ""
        return Health(float(self._table[:, _SUCCESS].max()), float(row[_FAILURE]), error)

    @property
    def is_away(self) -> bool:
        """Whether the source could not be reached when any process tried last, a moment ago."""
        health = self.health
        return health.is_unreached and 0 <= time.time() - health.failure < _AWAY_S

    def observe_success(self) -> None:
        """Note that the source has answered."""
        self.values[_SUCCESS] = time.time()

    def observe_error(self, error: BaseException) -> None:
        """Note that the source has failed."""
        self.values[_ERROR] = 1 + next(number for number, kind in enumerate(_ERRORS) if isinstance(error, kind))
        self.values[_FAILURE] = time.time()

    def add(self, name: str, amount: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self.values[_COLUMN[name]] += amount

    def observe_fetch(self, seconds: float, nbytes: int) -> None:
        """Count a read from the source that took so long."""
        with self._lock:
            self.values[_COLUMN["fetch_s"]] += seconds
            self.values[_COLUMN["fetched_bytes"]] += nbytes
            self.values[_CLASSES.start + int(np.searchsorted(BUCKETS_S, seconds))] += 1
        self.observe_success()

    def __getitem__(self, name: str) -> float:
        return float(self.values[_COLUMN[name]])


def open_counters(file: Path, sources: int) -> NDArray[np.float64]:
    """Return the table of counters in a memory-mapped file, by source and process; all 0 if the file is new."""
    shape = (sources, PROCESSES, COLUMNS)
    nbytes = 8 * sources * PROCESSES * COLUMNS
    if not file.exists() or file.stat().st_size != nbytes:
        file.write_bytes(bytes(nbytes))
    return np.memmap(file, np.float64, "r+", shape=shape)


def exposition(sources: Mapping[str, NDArray[np.float64]]) -> str:
    """Return the counters of sources by name in the text format of Prometheus."""
    lines: list[str] = []
    for metric, meaning in _HELP.items():
        lines += [f"# HELP voxome_relay_{metric}_total {meaning}.", f"# TYPE voxome_relay_{metric}_total counter"]
        for column, (_, labels) in enumerate(one for one in _COUNTERS.values()):
            if list(_COUNTERS.values())[column][0] == metric:
                lines += [
                    f"voxome_relay_{metric}_total{{{_labels(source, labels)}}} {_number(values[column])}"
                    for source, values in sources.items()
                ]
    lines += [f"# HELP {_LATENCY} Time of a read of a chunk from the source.", f"# TYPE {_LATENCY} histogram"]
    for source, values in sources.items():
        lines += _histogram(source, values)
    return "\n".join(lines) + "\n"


def _histogram(source: str, values: NDArray[np.float64]) -> Iterable[str]:
    counts = np.cumsum(values[_CLASSES])
    for end, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
        labels = _labels(source, f'le="{end}"')
        yield f"{_LATENCY}_bucket{{{labels}}} {_number(count)}"
    yield f"{_LATENCY}_sum{{{_labels(source, '')}}} {_number(values[_COLUMN['fetch_s']])}"
    yield f"{_LATENCY}_count{{{_labels(source, '')}}} {_number(counts[-1])}"


def _labels(source: str, more: str) -> str:
    return f'source="{source}"' + (f",{more}" if more else "")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
