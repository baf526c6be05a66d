"""Versions of sources that are edited, which never change."""

from __future__ import annotations

import hashlib
from threading import Lock

from voxome.contracts.abilities import SupportsPinnedVersions
from voxome.errors import NotFound
from voxome.relay.cache.states import SourceStates
from voxome.relay.rights import Rights
from voxome.relay.source_entry import SourceEntry
from voxome.relay.source_reads import use_ability
from voxome.relay.upstream import Upstream

_MOST_VERSIONS = 32
"""Versions of sources that are open at the same time."""


class SourceVersions:
    """Versions of sources; the last ones are kept open.

    Parameters
    ----------
    states : SourceStates
        States of sources.
    """

    def __init__(self, states: SourceStates) -> None:
        self._states = states
        self._open: dict[tuple[str, str], Upstream] = {}
        self._lock = Lock()

    def find(self, name: str, source: SourceEntry, version: str) -> Upstream:
        """Return a version of a source, read-only.

        Parameters
        ----------
        name : str
            Name of the source.
        source : SourceEntry
            The source.
        version : str
            Name of the version.

        Raises
        ------
        NotFound
            If the source has no versions, or not this one.
        SourceUnavailable
            If the store behind the source fails.
        """
        key = (name, version)
        with self._lock:
            if key in self._open:
                self._open[key] = known = self._open.pop(key)
                return known
        pinned = use_ability(name, source, SupportsPinnedVersions, lambda edited: edited.at_version(version))
        if pinned is None:
            raise NotFound(f"the source {name} has no versions")
        opened = Upstream(
            pinned, Rights(source.rights.readers), source.caching, self._states, source.counters,
            pool=source.identity, identity=_identity(source, version),
        )  # fmt: skip
        with self._lock:
            while len(self._open) >= _MOST_VERSIONS:
                del self._open[next(iter(self._open))]
            return self._open.setdefault(key, opened)


def _identity(source: SourceEntry, version: str) -> str:
    """Return the identity of a version, by which what is cached of it is found again."""
    return hashlib.sha256(f"{source.identity}@{version}".encode()).hexdigest()[:32]
