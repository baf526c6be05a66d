"""What may be removed: one volume, whole, and nothing beside it."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from voxome.contracts.abilities import SupportsDelete, SupportsLevels, SupportsRecognise, ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, InvalidUri, ReadOnly, UnsupportedFormat, VoxomeError
from voxome.registry import targets
from voxome.resources.listing import VOLUME
from voxome.resources.open import absolute, get_remote, locate, open_source
from voxome.storage.local import local_path


def removable(uri: str) -> tuple[Uri, VolumeSpec]:
    """The volume at `uri`, if it may be removed.

    Raises
    ------
    InvalidUri, InvalidInput
        If `uri` is a name of public data or a level of a volume, or if other volumes lie in it.
    ReadOnly
        If its file or folder is write-protected.
    UnsupportedFormat
        If its store does not remove volumes.
    NotFound
        If there is none.
    """
    if (kind := uri.partition(":")[0]) in targets("voxome.resolvers"):
        raise InvalidUri(f"{uri}: a {kind} is not removed by its name")
    located = locate(uri)
    if "level" in located.query:
        raise InvalidUri(f"{located}: a volume is removed with all its levels; leave out level=")
    store, spec = get_remote(located.scheme), open_source(uri).spec
    if not isinstance(store, SupportsDelete):
        raise UnsupportedFormat(f"{located.scheme}:// volumes cannot be removed from here")
    if isinstance(store, SupportsRecognise) and "://" not in located.path:
        _refuse_parts(located)
        _refuse_protected(local_path(located.path))
        if others := [info.uri for info in store.list(located) if info.type == VOLUME][1:]:
            raise InvalidInput(f"other volumes lie in {located}: remove {', '.join(others)} first")
    return located, spec


def _refuse_parts(uri: Uri) -> None:
    """Refuse a level of a volume, named by its path."""
    whole = replace(absolute(uri), path=str(local_path(uri.path).parent))
    try:
        pyramid = ability(get_remote(uri.scheme).open(whole), SupportsLevels)
    except VoxomeError:
        return
    if pyramid is not None and len(pyramid.levels) > 1:
        raise InvalidUri(f"{uri} is a level of {whole}: a volume is removed with all its levels; name that")


def _refuse_protected(path: Path) -> None:
    if path.exists() and not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise ReadOnly(f"{path} is write-protected; if it is to go, make it writable first: chmod u+w {path}")
