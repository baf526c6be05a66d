"""New volumes that become whole, or are removed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from voxome.contracts.abilities import SupportsDelete
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import VoxomeError
from voxome.resources.open import create_source, get_remote


@contextmanager
def created_or_removed(uri: str, spec: VolumeSpec) -> Iterator[VolumeSource]:
    """A new volume at `uri`, open for writing, which is removed again if it does not become whole.

    What goes wrong inside gets a note that tells which of them came true.
    """
    target = create_source(uri, spec)
    try:
        yield target
    except BaseException as error:
        left = "is removed again" if discard(uri) else "is incomplete: remove it before you write it again"
        error.add_note(f"{Uri.parse(uri)} {left}")
        raise


def discard(uri: str) -> bool:
    """Remove what was just made at `uri`; whether its store did."""
    located = Uri.parse(uri)
    store = get_remote(located.scheme)
    if not isinstance(store, SupportsDelete):
        return False
    try:
        store.delete(located)
    except VoxomeError:
        return False
    return True
