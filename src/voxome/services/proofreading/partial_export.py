"""Export of what has changed into a volume that has an earlier version: checked, resumed and recorded."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voxome.config.folders import state_folder
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import VolumeSource
from voxome.contracts.uri import Location, location_text
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.records.choice import records_opener
from voxome.redaction import redact
from voxome.resources.provenance import MOST_ENTRIES, read_provenance, record
from voxome.resources.transfer_lock import unfinished_transfer
from voxome.resources.unfinished import require_finished
from voxome.services.proofreading.export import update_volume
from voxome.services.proofreading.store import VersionLike
from voxome.services.transfer.endpoint import Endpoint
from voxome.services.transfer.state import State, locked_state

_WORK = "export"
"""What a volume is locked for, and marked as not finished."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """From which version to which one a volume is updated.

    Attributes
    ----------
    source : VolumeSource
        Segments of the new version.
    address : str
        What is proofread, without secrets: identifies an update that was interrupted.
    since, version : int or str
        Version that the volume has, and the new one.
    boxes : sequence of Box
        What may differ between them.
    entry : Provenance
        What is recorded for the new version.
    version_of : callable
        Returns the version that a volume of some provenance has; None if that does not say.
    """

    source: VolumeSource
    address: str
    since: VersionLike
    version: VersionLike
    boxes: Sequence[Box]
    entry: Provenance
    version_of: Callable[[Sequence[Provenance]], VersionLike | None]


def export_changes(uri: Location, update: Update) -> int:
    """Write what has changed into a volume, and record its new version.

    Until that is done, the volume is marked as not finished. After an interruption, the next call with any versions
    also compares what the interrupted one may have written.

    Parameters
    ----------
    uri : str or path
        The volume.
    update : Update
        What to write.

    Returns
    -------
    int
        Number of chunks of its finest level that were written.

    Raises
    ------
    InvalidInput
        If it has another version, another call that writes it was interrupted, or it does not fit, as for
        `update_volume`.
    RunLocked
        If it is being written.
    """
    endpoint = Endpoint.of(location_text(uri))
    target, lock = endpoint.open("r+"), unfinished_transfer(endpoint.text)
    if lock is None or lock.work != _WORK:
        require_finished(endpoint.text)
    with _locked(endpoint, update.address) as state:
        if state.marks and not state.begun:
            require_finished(endpoint.text)
        has = _require_version(target, endpoint.uri, update)
        left = [Box.parse(text) for text in state.facts.get("boxes", ())]
        boxes = sorted({*left, *update.boxes}, key=lambda one: one.start)
        count = update_volume(update.source, target, boxes, endpoint.uri, begin=lambda: _begin(state, target, boxes))
        if has != update.version:
            record(target, update.entry, name=endpoint.uri, repeated=True)
        state.mark_finished(target.spec.domain)
        state.forget()
    return count


def _begin(state: State, target: VolumeSource, boxes: Sequence[Box]) -> None:
    """Keep what the next call is to compare if this one is interrupted, and mark the volume as not finished."""
    state.keep(boxes=[str(one) for one in boxes])
    state.mark_unfinished(target.spec.domain)


def _require_version(target: VolumeSource, name: str, update: Update) -> VersionLike | None:
    """Return the version that a volume has, which is the old one or the new one; None if that is not known."""
    entries = read_provenance(target)
    has = None if len(entries) >= MOST_ENTRIES else update.version_of(entries)
    if has is None:
        _LOG.warning("the provenance of %s does not say which version of the segments it has", redact(name))
    elif has not in (update.since, update.version):
        raise InvalidInput(
            f"{name} has version {has} of the segments, not version {update.since}; nothing was written: export with "
            f"since={has!r}, or export the segments whole, to another address"
        )
    return has


@contextmanager
def _locked(endpoint: Endpoint, address: str) -> Iterator[State]:
    """Lock a volume against other exports and transfers, and open what an interrupted export has left."""
    request = {"destination": endpoint.uri, "segments": address, "work": _WORK}
    with tempfile.TemporaryDirectory(prefix="voxome-export-") as temporary:
        root = state_folder(None) if endpoint.lasting else Path(temporary)
        with locked_state(root, request, records_opener(None), endpoint.lock, _WORK) as state:
            yield state
