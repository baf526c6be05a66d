"""Versions of data from outside a run, which are part of the keys of the steps that read them."""

from __future__ import annotations

from dataclasses import replace

from voxome.contracts.abilities import SupportsRecognise, SupportsVoxelVersion, ability
from voxome.contracts.handle import Handle
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import NotFound
from voxome.resources.open import get_remote
from voxome.storage.find import storage_at


def pinned_volume(handle: Handle, source: VolumeSource) -> Handle:
    """Return the handle of a volume with its version as the key, unless it has one.

    Files on this machine are known by their inodes, sizes and times, those of a chunked format one by one. Where a
    store reports no more than the version of its metadata, the handle is unpinned.
    """
    version = source.version()
    if version.pinned:
        return with_version(handle, version.token)
    uri = Uri.parse(handle.uri)
    if "://" in uri.path or not isinstance(get_remote(uri.scheme), SupportsRecognise):
        return with_version(handle, version.token, unpinned=True)
    detailed = ability(source, SupportsVoxelVersion)
    voxels: Version | None = version if detailed is None else detailed.voxel_version()
    return with_version(handle, (voxels or version).token, unpinned=voxels is None)


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
    return with_version(replace(handle, uri=path.address), state or "", unpinned=state is None)


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
    return with_version(replace(handle, uri=path.address), state or path.state(file), unpinned=state is None)


def with_version(handle: Handle, token: str, *, unpinned: bool = False) -> Handle:
    """Return the handle with its URI and a version as its key, unless it has one."""
    if handle.key:
        return handle
    return replace(handle, key=f"{handle.uri} {token}".strip(), unpinned=unpinned)
