"""``voxome.rm``: removal of a volume, exactly one, with all its levels, and nothing else."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import cast

from voxome.calls import explain_calls
from voxome.contracts.abilities import SupportsDelete, SupportsLevels, SupportsRecognise, ability
from voxome.contracts.arguments import require_path
from voxome.contracts.listing import UNREADABLE
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Location, Uri
from voxome.errors import InvalidInput, InvalidUri, ReadOnly, UnsupportedFormat, VoxomeError
from voxome.registry import targets
from voxome.resources.listing import VOLUME
from voxome.resources.open import absolute, locate, open_source
from voxome.resources.recognition import get_remote
from voxome.resources.view_options import refuse_view


@explain_calls
def rm(uri: Location) -> str:
    """Remove a volume and all its levels; anything that is not a volume is kept.

    Parameters
    ----------
    uri : str or path
        URI or path of a volume.

    Returns
    -------
    str
        URI of what was removed.

    Raises
    ------
    InvalidUri, InvalidInput
        If `uri` is the name of a public dataset or a level of a volume, or if it contains other volumes.
    ReadOnly
        If its file or folder is write-protected.
    UnsupportedFormat
        If its store cannot remove volumes.
    NotFound
        If the volume does not exist.

    Examples
    --------
    >>> import voxome
    >>> volume = voxome.create("memory://scratch", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> voxome.rm("memory://scratch")
    'memory://scratch'
    """
    located, _ = require_deletable(require_path("uri", uri))
    delete(located)
    return str(located)


def require_deletable(uri: str) -> tuple[Uri, VolumeSpec]:
    """Return the location and description of the volume at `uri`, if `rm` may remove it; raise as `rm` otherwise."""
    if (prefix := uri.partition(":")[0]) in targets("voxome.resolvers"):
        raise InvalidUri(f"{uri} names public data; a {prefix} cannot be removed")
    refuse_view(Uri.parse(uri), "removed")
    located = locate(uri)
    if "level" in located.query:
        raise InvalidUri(f"{located}: a volume is removed with all its levels; leave out level=")
    store, spec = get_remote(located.scheme), open_source(uri).spec
    if not isinstance(store, SupportsDelete):
        raise UnsupportedFormat(f"{located.scheme}:// volumes cannot be removed by voxome")
    if isinstance(store, SupportsRecognise) and "://" not in located.path:
        _refuse_level(located)
        _refuse_protected(located.local_path)
        found = [one.uri for one in store.list(located) if one.type in (VOLUME, UNREADABLE)]
        if len(found) > 1:
            nested = ", ".join(uri for uri in found if uri not in (str(located), str(absolute(located))))
            raise InvalidInput(f"{located} contains other volumes: remove {nested} first")
    return located, spec


def delete(uri: Uri) -> None:
    """Delete the volume at `uri`, as `require_deletable` returned it."""
    cast("SupportsDelete", get_remote(uri.scheme)).delete(uri)


def _refuse_level(uri: Uri) -> None:
    """Refuse the path of a level inside a multiscale volume."""
    parent = replace(absolute(uri), path=str(uri.local_path.parent))
    try:
        pyramid = ability(get_remote(uri.scheme).open(parent), SupportsLevels)
    except VoxomeError:
        return
    if pyramid is not None and len(pyramid.levels) > 1:
        raise InvalidUri(f"{uri} is a level of {parent}; a volume is removed with all its levels: name {parent}")


def _refuse_protected(path: Path) -> None:
    if path.exists() and not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise ReadOnly(f"{path} is write-protected; to remove it, make it writable first: chmod u+w {path}")
