"""Creation of volumes that is undone on failure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from voxome.contracts.abilities import SupportsDelete, SupportsMarkerFiles
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import VoxomeError
from voxome.resources.create import create_source
from voxome.resources.recognition import get_remote
from voxome.storage.find import storage_path
from voxome.storage.path import StoragePath

_LOOK_S, _QUIET_LOOKS, _LOOKS = 0.02, 10, 250
"""Time between two looks at what was removed, their number until nothing is expected any more, and their largest."""


@contextmanager
def created_or_removed(uri: str, spec: VolumeSpec) -> Iterator[VolumeSource]:
    """Create a volume at `uri`, open for writing, and remove it if the body of the ``with`` statement fails.

    The exception gets a note that says whether the volume could be removed.
    """
    target = create_source(uri, spec)
    try:
        yield target
    except BaseException as error:
        outcome = "was removed" if discard(uri) else "is incomplete; remove it before writing it again"
        error.add_note(f"{Uri.parse(uri)} {outcome}")
        raise


def discard(uri: str) -> bool:
    """Remove a volume that was just created; return whether its store did."""
    located = Uri.parse(uri)
    store = get_remote(located.scheme)
    if not isinstance(store, SupportsDelete):
        return False
    removed = False
    with suppress(VoxomeError):
        store.delete(located)
        removed = True
    if not isinstance(store, SupportsMarkerFiles):
        return removed
    folder = storage_path(located, writing=True)
    return _delete_late_writes(folder) if folder.is_local else removed


def _delete_late_writes(folder: StoragePath) -> bool:
    """Delete what is written while a volume is removed: where one write has failed, others may be under way.

    Returns whether the folder stays away.
    """
    quiet = 0
    for _ in range(_LOOKS):
        time.sleep(_LOOK_S)
        quiet += 1
        if folder.taken():
            quiet = 0
            with suppress(VoxomeError):  # as when a file appears in it meanwhile
                folder.delete()
        if quiet == _QUIET_LOOKS:
            return True
    return False
