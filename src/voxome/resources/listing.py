"""List volumes and other resources, in any store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from voxome.contracts.source import Remote, ResourceInfo
from voxome.contracts.uri import Location, Uri
from voxome.errors import NotFound
from voxome.redaction import is_secret, redact
from voxome.resources.open import get_remote, locate, recognise

FOLDER, VOLUME = "folder", "volume"

_LEAVES = frozenset({VOLUME, "meshes", "skeletons", "points"})
"""Types of resources that contain no others."""


def ls(uri: Location = ".", *, recursive: bool = False) -> list[ResourceInfo]:
    """List the resources under `uri`, and what contains resources.

    Parameters
    ----------
    uri : str or path
        A URI, such as ``bossdb://COLLECTION``, or a local folder that may contain resources of any format.
    recursive : bool
        Whether to descend into what is found.

    Returns
    -------
    list of ResourceInfo
        With ``uri``, ``type`` and ``description``.

    Raises
    ------
    NotFound
        If nothing is stored there.
    UnsupportedFormat
        If the store cannot list.
    """
    parsed = Uri.parse(uri)
    if parsed.scheme or ":" in parsed.path.partition("/")[0]:
        located = locate(uri)
        return list(_list_store(get_remote(located.scheme), located, recursive))
    path = parsed.local_path
    if not path.exists():
        raise NotFound(f"{path} does not exist; give an existing folder, or a URI")
    return list(_list_path(path, recursive))


def _list_store(store: Remote, uri: Uri, recursive: bool) -> Iterator[ResourceInfo]:
    secrets = {name: value for name, value in uri.query.items() if is_secret(name)}
    for info in store.list(uri):
        yield replace(info, uri=redact(info.uri))
        if recursive and info.type not in _LEAVES and info.uri not in (str(uri), uri.reveal()):
            below = Uri.parse(info.uri)
            yield from _list_store(store, replace(below, query={**below.query, **secrets}), recursive)


def _list_path(path: Path, recursive: bool) -> Iterator[ResourceInfo]:
    """List `path` itself if its format is recognised, its contents otherwise."""
    if scheme := recognise(path):
        yield from get_remote(scheme).list(Uri(scheme, str(path)))
        return
    for entry in sorted(path.iterdir()) if path.is_dir() else []:
        if entry.name.startswith("."):
            continue
        if scheme := recognise(entry):
            yield from get_remote(scheme).list(Uri(scheme, str(entry)))
        elif entry.is_dir():
            yield ResourceInfo(str(entry), FOLDER)
            if recursive:
                yield from _list_path(entry, recursive)
