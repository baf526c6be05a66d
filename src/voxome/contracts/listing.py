"""Entries of a listing: one that cannot be opened is listed with the reason, and ends no listing."""

from __future__ import annotations

from collections.abc import Callable

from voxome.contracts.source import ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.errors import NotFound

UNREADABLE = "unreadable"
"""Type of an entry of which nothing can be read."""

BROKEN_LINK = "broken link"
"""Type of an entry that is a link to nothing."""


def entry_of(uri: str, describe: Callable[[str], ResourceInfo], type: str = "volume") -> ResourceInfo:
    """Return the entry of a resource, with the reason where it cannot be described.

    Parameters
    ----------
    uri : str
        Opens the resource.
    describe : callable
        Returns the entry with this URI; whatever it raises is caught, since files of others may be damaged in any way.
    type : str
        Type of the resource where that fails.
    """
    try:
        return describe(uri)
    except Exception as error:
        return unreadable_entry(uri, error, type)


def unreadable_entry(uri: str, error: Exception, type: str | None = None) -> ResourceInfo:
    """Return the entry of what cannot be opened for `error`; by default a link if what it leads to is not found."""
    entry_type = type or (BROKEN_LINK if isinstance(error, NotFound) else UNREADABLE)
    return ResourceInfo(uri, entry_type, f"cannot be opened: {str(error) or repr(error)}")


def volume_entry(uri: str, read_spec: Callable[[], VolumeSpec]) -> ResourceInfo:
    """Return the entry of a volume with its spec, or the reason why that cannot be read."""
    return entry_of(uri, lambda text: ResourceInfo.of_spec(text, read_spec()))
