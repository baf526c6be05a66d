"""``voxome.rm``: removal of a volume, exactly one, with all its levels, and nothing else."""

from __future__ import annotations

import re
import stat
from itertools import islice
from pathlib import Path
from typing import cast

from voxome.calls import explain_calls
from voxome.contracts.abilities import (
    SupportsDelete,
    SupportsDeleteCheck,
    SupportsLevels,
    SupportsMarkerFiles,
    SupportsOwnFiles,
    SupportsRecognise,
    ability,
)
from voxome.contracts.arguments import require_path
from voxome.contracts.formats import PRIVATE
from voxome.contracts.listing import UNREADABLE
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Location, Uri, location_text
from voxome.errors import InvalidInput, InvalidUri, ReadOnly, StoreError, UnsupportedFormat, VoxomeError
from voxome.registry import targets
from voxome.resources.listing import VOLUME
from voxome.resources.open import locate, open_source
from voxome.resources.recognition import get_remote
from voxome.resources.transfer_lock import lock_path
from voxome.resources.view_options import refuse_view
from voxome.storage.find import storage_path
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath
from voxome.storage.zips import in_zip

LEFT_OVER = rf"(.+/)?({re.escape(PRIVATE)}/.+|\.[^/]*\.part|[^/]*\.__lock|\.DS_Store|\.nfs[^/]*)"
"""Paths of records, and of what killed writers and file systems leave, as a regular expression."""
_SHOWN = 3
"""Files of others that a message names."""


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
        If `uri` is the name of a public dataset or a level of a volume, or if it contains other volumes or files.
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
    require_path("uri", uri)
    located, _ = require_deletable(location_text(uri))
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
    if isinstance(store, SupportsDeleteCheck):
        store.check_deletable(located)
    if isinstance(store, SupportsRecognise):
        path = removed_path(located)
        if not (packed := in_zip(path)).writable:
            raise ReadOnly(f"{located} {packed.read_only_because}; remove the whole file yourself")
        _refuse_level(located, path)
        if path.is_local:
            _refuse_protected(Path(path.path))
        _refuse_nested(located, path)
        if isinstance(store, SupportsOwnFiles):
            _refuse_foreign(located, path, store.own_files(located))
    return located, spec


def delete(uri: Uri) -> None:
    """Delete the volume at `uri`, as `require_deletable` returned it."""
    lock = lock_path(uri)
    cast("SupportsDelete", get_remote(uri.scheme)).delete(uri)
    if lock is not None and lock.exists():
        lock.unlink()


def removed_path(uri: Uri) -> StoragePath:
    """Return the path that `delete` will remove; options that are not those of its storage are left out."""
    return storage_path(uri, writing=True) if "://" in uri.path else LocalPath(str(uri.local_path))


def _refuse_level(uri: Uri, path: StoragePath) -> None:
    """Refuse the path of a level in a pyramid: a folder that the listing of the pyramid does not name."""
    for parent in path.parents:
        above = Uri(uri.scheme, parent.path, parent.options)
        if _is_pyramid(above, parent) and path.path not in _volumes_in(above):
            raise InvalidUri(f"{uri} is a level of {above}; a volume is removed with all its levels: name {above}")


def _is_pyramid(uri: Uri, path: StoragePath) -> bool:
    store = get_remote(uri.scheme)
    try:
        if isinstance(store, SupportsMarkerFiles):
            marked = len(path.missing(store.marker_files)) < len(store.marker_files)
        else:
            marked = isinstance(store, SupportsRecognise) and store.recognises(Path(path.path))
        return marked and ability(store.open(uri), SupportsLevels) is not None
    except StoreError:  # but not AccessDenied: whoever may write a volume may have no business above it
        raise
    except VoxomeError:
        return False


def _refuse_nested(uri: Uri, path: StoragePath) -> None:
    volumes = _volumes_in(uri)
    if len(volumes) > 1:
        nested = ", ".join(text for inside, text in volumes.items() if inside != path.path)
        raise InvalidInput(f"{uri} contains other volumes: remove {nested} first")


def _refuse_foreign(uri: Uri, path: StoragePath, own: str) -> None:
    """Refuse a folder in which there are files that are neither the volume's nor left by killed writers."""
    pattern = re.compile(f"{own}|{LEFT_OVER}")
    found = list(islice((name for name in path.walk() if not pattern.fullmatch(name)), _SHOWN + 1))
    if found:
        names = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
        raise InvalidInput(f"{uri} contains files that are not part of the volume: {names}; move or remove them first")


def _volumes_in(uri: Uri) -> dict[str, str]:
    """Path → URI of each volume at a URI and below it, and of what cannot be read there."""
    listed = [Uri.parse(one.uri) for one in get_remote(uri.scheme).list(uri) if one.type in (VOLUME, UNREADABLE)]
    return {removed_path(one).path: str(one) for one in listed}


def _refuse_protected(path: Path) -> None:
    if path.is_symlink() and path.is_dir():
        raise InvalidInput(
            f"{path} is a link to {path.resolve()}; remove the volume by that path, or the link by `unlink`"
        )
    if path.exists() and not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise ReadOnly(f"{path} is write-protected; to remove it, make it writable first: chmod u+w {path}")
