"""Locks of the places outside a store that calls write shapes and tables into: one call at a time writes there."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from voxome.blocks.step import Step
from voxome.config.folders import state_folder
from voxome.contracts.uri import Uri
from voxome.errors import RunLocked
from voxome.records.folder import lock_folder
from voxome.storage.find import storage_options, storage_path


@contextmanager
def lock_targets(step: Step, store: str) -> Iterator[None]:
    """Lock the shapes and tables that a step writes elsewhere, for this call and user, on this machine.

    Volumes are not locked: several calls may write other boxes of one.

    Parameters
    ----------
    step : Step
        The step.
    store : str
        Address of its store.

    Raises
    ------
    RunLocked
        If another call writes there.
    """
    with ExitStack() as locks:
        for kind, target in step.targets(store):
            if target.existing and not kind.is_volume:
                folder = _lock_folder(Uri.parse(target.uri))
                locks.enter_context(lock_target(target.uri, folder))
                locks.callback(shutil.rmtree, folder, ignore_errors=True)
        yield


@contextmanager
def lock_target(uri: str, folder: Path) -> Iterator[None]:
    """Lock a folder for the call that writes to `uri`, which is named if another call has locked it.

    Raises
    ------
    RunLocked
    """
    with ExitStack() as locks:
        try:
            locks.enter_context(lock_folder(folder))
        except RunLocked as error:
            raise RunLocked(
                f"another call ({error.holder}) is writing to {uri}; wait for it, end it, or choose another place",
                holder=error.holder,
            ) from error
        yield


def _lock_folder(uri: Uri) -> Path:
    """Return the folder of the lock, which is the same for all names of one local place."""
    kept = storage_options(uri)
    place = storage_path(replace(uri, query={name: text for name, text in uri.query.items() if name in kept}))
    name = str(Path(place.path).resolve()) if place.is_local else place.address
    return state_folder() / f"writing-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:16]}"
