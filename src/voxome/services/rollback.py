"""Creation of volumes that is undone on failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from voxome.contracts.abilities import SupportsDelete
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import VoxomeError
from voxome.resources.open import create_source
from voxome.resources.recognition import get_remote


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
    try:
        store.delete(located)
    except VoxomeError:
        return False
    return True
