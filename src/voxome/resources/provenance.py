"""Provenance of a resource in its store: what it says, and new entries."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.metadata import version

from voxome.contracts.abilities import SupportsProvenance, ability, most_detailed_version
from voxome.contracts.provenance import InputRecord, Provenance
from voxome.contracts.source import VolumeSource
from voxome.errors import VoxomeError
from voxome.redaction import redact
from voxome.resources.addresses import absolute_text
from voxome.resources.views import View

MOST_ENTRIES = 1000
"""Most entries that are recorded: some stores read all of them whenever the resource is opened."""
_LOG = logging.getLogger(__name__)


def read_provenance(source: object) -> tuple[Provenance, ...]:
    """Return what made the resource of a source, oldest first; empty if its store keeps none."""
    keeper = ability(source, SupportsProvenance)
    return () if keeper is None else keeper.read_provenance()


def record(source: object, *entries: Provenance, name: str, repeated: bool = False) -> bool:
    """Add entries to the provenance of a resource, and return whether its store keeps them.

    An entry that is there, but for its time, is not added again, unless `repeated`. A format without a place for
    provenance, a store that refuses it, and more than `MOST_ENTRIES` are logged: the resource itself is there.

    Parameters
    ----------
    source : object
        Source of the resource, open for writing.
    *entries : Provenance
        What made it.
    name : str
        Its URI, for messages.
    repeated : bool
        Whether the same may be made again, as the resource has changed since.
    """
    keeper = ability(source, SupportsProvenance)
    if keeper is None:
        _LOG.info("%s has no place for provenance; zarr, N5, precomputed and HDF5 have", redact(name))
        return False
    try:
        known = [replace(one, time="") for one in keeper.read_provenance()]
        new = [one for one in entries if repeated or replace(one, time="") not in known]
        room = max(0, MOST_ENTRIES - len(known))
        for one in new[:room]:
            keeper.add_provenance(one)
    except VoxomeError as error:
        _LOG.warning("the provenance of %s is not recorded: %s", redact(name), error)
        return False
    if len(new) > room:
        _LOG.warning("%s has %s entries of provenance, the most that are recorded", redact(name), f"{MOST_ENTRIES:,}")
    return len(new) <= room


def history_of(source: object, name: str) -> tuple[Provenance, ...]:
    """Return what made a source, for a copy of it; a store that does not give it is logged as `name`."""
    try:
        return read_provenance(source)
    except VoxomeError as error:
        _LOG.warning("the provenance of %s is not copied: %s", redact(name), error)
        return ()


def own_version() -> str:
    """Return the version of voxome."""
    return version("voxome")


def input_record(name: str, source: VolumeSource, uri: str) -> InputRecord:
    """Return the record of a volume that something is made from.

    Parameters
    ----------
    name : str
        What it is for: ``labels``, ``source``, …
    source : VolumeSource
        The volume.
    uri : str
        Its address, which becomes absolute; a volume without one is ``array``, with the options of its views.
    """
    options = "" if uri else "&".join(_options(source))
    address = redact(absolute_text(uri)) or (f"array?{options}" if options else "array")
    try:
        token = most_detailed_version(source).token
    except (VoxomeError, OSError):
        token = ""
    informative = token.partition("?")[0] not in ("", address.partition("://")[0].partition("?")[0])
    return InputRecord(name, address, token if informative else None)


def _options(source: object) -> list[str]:
    """Return the options of the views through which a source is seen, the innermost first."""
    return [*_options(source.source), source.option] if isinstance(source, View) else []
