"""What the relay says of writes that stores do not have yet: in its metrics, and when it is ready."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from voxome.relay.accounts import Caller
from voxome.relay.permitted import PermittedSources
from voxome.relay.sources import Sources
from voxome.relay.writes.flusher import LEASE_FILE
from voxome.relay.writes.index import Backlog
from voxome.relay.writes.journal import Journal

_NEARLY_FULL = 0.8
_PREFIX = "voxome_relay_writes"
_GAUGES = {
    "waiting": "Writes that the store does not have yet",
    "waiting_bytes": "Bytes of the writes that the store does not have yet",
    "refused": "Writes that the store has refused",
    "oldest_seconds": "Age of the oldest write that the store does not have yet",
}
_LOOKED = "looked_seconds"
_LATE_S = 30.0
"""Time without a look at the journal after which the flusher is taken to be gone, or to fail."""


def gauges(sources: Sources, names: Iterable[str]) -> str:
    """Return gauges of the writes of some sources, in the text format of Prometheus.

    Raises
    ------
    StoreError
        If the journal cannot be read.
    """
    if sources.writes is None:
        return ""
    backlogs: dict[str, Backlog] = {}
    for identity, one in sources.writes.backlogs().items():
        backlogs |= dict.fromkeys([one.oldest.name, *sources.names_of(identity)], one)
    values: dict[str, list[tuple[str, float]]] = {gauge: [] for gauge in _GAUGES}
    for name in names:
        backlog = backlogs.get(name)
        values["waiting"].append((name, 0 if backlog is None else backlog.count))
        values["waiting_bytes"].append((name, 0 if backlog is None else backlog.nbytes))
        values["refused"].append((name, 0 if backlog is None else backlog.refused))
        values["oldest_seconds"].append((name, 0 if backlog is None else _age_s(backlog)))
    lines: list[str] = []
    for gauge, meaning in _GAUGES.items():
        lines += [f"# HELP {_PREFIX}_{gauge} {meaning}.", f"# TYPE {_PREFIX}_{gauge} gauge"]
        lines += [f'{_PREFIX}_{gauge}{{source="{name}"}} {value:g}' for name, value in values[gauge]]
    looked = f"{_PREFIX}_{_LOOKED}"
    lines += [f"# HELP {looked} Time since the writes were last looked at to be passed on.", f"# TYPE {looked} gauge"]
    lines.append(f"{looked} {_idle_s(sources.writes.journal):g}")
    return "\n".join(lines) + "\n"


def warnings_of(sources: Sources, caller: Caller) -> list[str]:
    """Return sentences about writes that stores do not take, with the names that the caller may read.

    Raises
    ------
    StoreError
        If the journal cannot be read.
    """
    if sources.writes is None:
        return []
    backlogs, journal = sources.writes.backlogs(), sources.writes.journal
    permitted = set(PermittedSources(sources, caller))
    found: list[str] = []
    for identity, backlog in backlogs.items():
        written = backlog.oldest.name  # other names of the volume may be of sources without writers
        if caller.is_admin or written in permitted:
            name = written
        else:
            name = next((one for one in sources.names_of(identity) if one in permitted), "another volume")
        if backlog.refused:
            found.append(f"{name}: {_writes(backlog.refused)} refused by the store; see `voxome relay writes list`")
        if backlog.failing:
            age = f"the oldest of {backlog.count} is {_age_s(backlog):.0f} s old"
            found.append(f"{name}: {_writes(backlog.failing)} could not be passed on to the store, {age}")
        if backlog.nbytes > _NEARLY_FULL * journal.shares.largest(identity, journal.budget):
            found.append(f"{name}: its part of the journal is nearly full; see write_mib in the configuration")
    if backlogs and _idle_s(journal) > _LATE_S:
        found.append("writes are not passed on to stores: no process of the relay looks at them; see its log")
    if sources.writes.nbytes > _NEARLY_FULL * journal.budget:
        found.append("the journal of writes is nearly full; new writes are refused until stores take those in it")
    return found


def _age_s(backlog: Backlog) -> float:
    return max(0.0, time.time() - backlog.oldest.created)


def _idle_s(journal: Journal) -> float:
    """Return the time since the flusher, of whichever process, has looked at the journal."""
    try:
        return max(0.0, time.time() - (journal.folder / LEASE_FILE).stat().st_mtime)
    except OSError:  # none has been started
        return math.inf


def _writes(count: int) -> str:
    return "1 write" if count == 1 else f"{count} writes"
