"""List volumes and other resources, in any store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_flags
from voxome.contracts.listing import unreadable_entry
from voxome.contracts.source import Remote, ResourceInfo
from voxome.contracts.uri import Location, Uri
from voxome.errors import NotFound
from voxome.redaction import is_secret, redact
from voxome.resources.open import bare_address, locate
from voxome.resources.recognition import get_remote, recognise, recognise_address, recognise_folders
from voxome.storage.find import storage_path
from voxome.storage.path import StoragePath
from voxome.storage.walk import preorder
from voxome.storage.zips import names_zip

FOLDER, VOLUME = "folder", "volume"

_LEAVES = frozenset({VOLUME, "meshes", "skeletons", "points"})
"""Types of resources that contain no others."""


@explain_calls
def ls(uri: Location = ".", *, recursive: bool = False) -> list[ResourceInfo]:
    """List the resources under `uri`, and what contains resources.

    Parameters
    ----------
    uri : str or path
        A URI, such as ``bossdb://COLLECTION``, or a folder that may contain resources of any format: a path, or an
        address such as ``s3://bucket/prefix``.
    recursive : bool
        Whether to descend into what is found.

    Returns
    -------
    list of ResourceInfo
        With ``uri``, ``type`` and ``description``. What cannot be opened is listed with the reason.

    Raises
    ------
    NotFound
        If nothing is stored there.
    AccessDenied, StoreError
        If the store refuses, or fails.
    UnsupportedFormat
        If the store cannot list.
    """
    require_flags(recursive=recursive)
    parsed = Uri.parse(uri)
    if address := bare_address(parsed):
        found = list(_list_folder(address, recursive))
        return [replace(info, uri=redact(info.uri)) for info in found] if "://" in address.path else found
    located = locate(uri)
    return list(_list_store(get_remote(located.scheme), located, recursive))


def _list_store(store: Remote, uri: Uri, recursive: bool) -> Iterator[ResourceInfo]:
    secrets = {name: value for name, value in uri.query.items() if is_secret(name)}
    for info in store.list(uri):
        yield replace(info, uri=redact(info.uri))
        if recursive and info.type not in _LEAVES and info.uri not in (str(uri), uri.reveal()):
            below = Uri.parse(info.uri)
            try:
                yield from _list_store(store, replace(below, query={**below.query, **secrets}), recursive)
            except Exception as error:
                yield unreadable_entry(redact(info.uri), error)


@dataclass(frozen=True)
class _Entry:
    """A folder, or a resource in one.

    Attributes
    ----------
    path : StoragePath
        Where it is.
    scheme : str or None
        Its format; None for a folder of no format.
    problem : Exception or None
        Why its format is unknown.
    """

    path: StoragePath
    scheme: str | None = None
    problem: Exception | None = None


def _list_folder(address: Uri, recursive: bool) -> Iterator[ResourceInfo]:
    """List what is at an address if its format is recognised, its contents otherwise."""
    local = None if "://" in address.path or names_zip(address.path) else address.local_path
    scheme = recognise_address(address) if local is None else recognise(local)
    if scheme is not None:
        return get_remote(scheme).list(replace(address, scheme=scheme, path=str(local or address.path)))
    if local is not None and not local.exists():
        raise NotFound(f"{local} does not exist; give an existing folder, or a URI")
    if local is not None and not local.is_dir():
        return iter(())
    folder = storage_path(address)
    top = _Entry(folder)

    def expand(entry: _Entry, again: bool) -> tuple[list[ResourceInfo], list[_Entry]]:
        if entry is top:
            return [], _entries(folder)
        if entry.scheme is not None or entry.problem is not None:
            return _resources(entry), []
        try:
            return [ResourceInfo(entry.path.address, FOLDER)], _entries(entry.path) if recursive and not again else []
        except Exception as error:
            return [unreadable_entry(entry.path.address, error, FOLDER)], []

    return preorder(top, expand, lambda entry: entry.path.identity)


def _resources(entry: _Entry) -> list[ResourceInfo]:
    """Return the resources of an entry that has a format, up to one that cannot be listed."""
    found: list[ResourceInfo] = []
    try:
        if entry.problem is not None:
            raise entry.problem
        scheme = str(entry.scheme)
        found.extend(get_remote(scheme).list(Uri(scheme, entry.path.path, entry.path.options)))
    except Exception as error:
        found.append(unreadable_entry(entry.path.address, error))
    return found


def _entries(folder: StoragePath) -> list[_Entry]:
    """Return the entries of a folder, links to nothing included, but no hidden ones and files of no format."""
    folders, files = ([name for name in names if not name.startswith(".")] for names in folder.entries())
    found = {name: _Entry(folder / name) for name in folders}
    found |= {name: _Entry(folder / name, problem=error) for name, error in folder.dead_links(files)}
    if folder.is_local:
        known = (_recognised(folder / name) for name in (*folders, *files))
        found |= {entry.path.name: entry for entry in known if entry is not None}
    else:
        for name, scheme in recognise_folders(folder, folders):
            path = folder / name
            found[name] = _Entry(path, scheme) if isinstance(scheme, str) else _Entry(path, problem=scheme)
    return [found[name] for name in sorted(found)]


def _recognised(path: StoragePath) -> _Entry | None:
    """Return the entry of a local path that has a format, or that cannot be looked at; None for any other."""
    try:
        scheme = recognise(Path(path.path))
    except Exception as error:
        return _Entry(path, problem=error)
    return None if scheme is None else _Entry(path, scheme)
