"""Versions of data from outside a run, which are part of the keys of the steps that read them."""

from __future__ import annotations

from dataclasses import replace

from voxome.contracts.abilities import most_detailed_version
from voxome.contracts.handle import Handle
from voxome.contracts.source import VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, NotFound
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath


def pinned_volume(handle: Handle, source: VolumeSource) -> Handle:
    """Return the handle of a volume with its version as the key, unless it has one.

    Unless a source says that its version covers its voxels, the handle is unpinned.
    """
    version = most_detailed_version(source)
    return with_version(handle, version.token, unpinned=not (version.pinned or version.covers_voxels))


def pinned_file(handle: Handle) -> Handle:
    """Return the handle of a file with its address absolute, and with its version as the key, unless it has one.

    Raises
    ------
    NotFound
        If the file does not exist.
    """
    path = storage_at(handle.uri)
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    state = path.file_state()
    return with_version(replace(handle, uri=_address_of(path)), state or "", unpinned=state is None)


def pinned_folder(handle: Handle, file: str) -> Handle:
    """Return the handle of a folder that contains `file`, with its address absolute, and its version as the key.

    Raises
    ------
    NotFound
        If the file does not exist.
    """
    path = storage_at(handle.uri)
    if path.missing([file]):
        raise NotFound(f"{path} does not exist, or has no {file}")
    state = path.tree_state()
    return with_version(replace(handle, uri=_address_of(path)), state or path.state(file), unpinned=state is None)


def require_recordable(uri: Uri) -> str:
    """Return the URI of an input as text for the records and the workers of a run.

    Raises
    ------
    InvalidInput
        If it contains a user name, a password or a token.
    """
    if uri.has_secrets:
        raise InvalidInput(
            f"{uri} was given with a user name, password or token, but a run records the addresses of its inputs: "
            "leave it out, and configure it with a profile or variable (docs/stores.md)"
        )
    return str(uri)


def _address_of(path: StoragePath) -> str:
    return require_recordable(Uri("", path.path, path.options))


def with_version(handle: Handle, token: str, *, unpinned: bool = False) -> Handle:
    """Return the handle with its URI and a version as its key, unless it has one."""
    if handle.key:
        return handle
    return replace(handle, key=f"{handle.uri} {token}".strip(), unpinned=unpinned)
