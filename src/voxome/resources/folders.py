"""Folders for results: never inside a volume, whose own files they would mix with."""

from __future__ import annotations

from pathlib import Path

from voxome.contracts.abilities import SupportsMarkerFiles, SupportsRecognise
from voxome.errors import InvalidInput
from voxome.resources.recognition import remotes_with


def volume_around(folder: Path) -> tuple[str, Path] | None:
    """Return the scheme and the folder of the zarr, N5 or precomputed data that a folder is, or is inside; or None."""
    formats = [
        (scheme, store) for scheme, store in remotes_with(SupportsMarkerFiles) if isinstance(store, SupportsRecognise)
    ]
    path = folder.expanduser().absolute()
    for one in (path, *path.parents):
        for scheme, store in formats:
            if one.is_dir() and store.recognises(one):
                return scheme, one
    return None


def require_outside_volumes(folder: Path) -> Path:
    """Return a folder for results, which need not exist.

    Raises
    ------
    InvalidInput
        If it is a folder of zarr, N5 or precomputed data, or inside one.
    """
    if (found := volume_around(folder)) is not None:
        scheme, volume = found
        where = "is" if volume == folder.expanduser().absolute() else "is inside"
        raise InvalidInput(f"{folder} {where} {scheme}://{volume}; choose a folder for results outside of volumes")
    return folder
