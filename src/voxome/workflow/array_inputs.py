"""Arrays and open volumes as inputs of runs: what workers cannot open by a URI is stored first, where they can."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from voxome.contracts.abilities import SupportsAttributes, ability
from voxome.contracts.formats import PRIVATE
from voxome.contracts.uri import location_text
from voxome.errors import AlreadyExists, NotFound
from voxome.resources.create import create_source
from voxome.resources.open import open_source
from voxome.resources.unfinished import RUN_MARK, unfinished_step
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume, location_of
from voxome.services.blockwise_copy import copy
from voxome.services.ingest import spec_like
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath


def store_arrays(inputs: Mapping[str, object], folder: StoragePath | None) -> dict[str, Any]:
    """Return the inputs of a run with a URI in place of every volume, array and path.

    Parameters
    ----------
    inputs : mapping of str to values
        Values of a workflow or tool.
    folder : StoragePath or None
        Where arrays are written; a temporary folder of this process if None.
    """
    return {name: _stored(name, value, folder) for name, value in inputs.items()}


def inputs_folder(store: str) -> StoragePath:
    """Return the folder, in the store of a run, for the arrays that are passed to it."""
    return storage_at(store, writing=True) / PRIVATE / "inputs"


def _stored(name: str, value: Any, folder: StoragePath | None) -> Any:
    if isinstance(value, os.PathLike):
        return location_text(value)
    if isinstance(value, np.ndarray):
        value = as_volume(value)
    if not isinstance(value, Volume):
        return value
    return location_of(value) or _write(name, value, folder or _temporary())


def _write(name: str, volume: Volume, folder: StoragePath) -> str:
    """Write a volume under a name with the digest of its voxels, unless it is there; return its URI.

    Until it is complete, the array is marked as unfinished; whoever finds it so writes the same voxels again.
    """
    uri = (folder / f"{name}-{_digest(volume)}.zarr").uri("zarr")
    if _is_finished(uri):
        return uri
    mark = {"step": f"input {name}", "complete": False}
    with suppress(AlreadyExists):
        create_source(uri, spec_like(volume.spec).replace(attributes={**volume.spec.attributes, RUN_MARK: mark}))
    target = open_source(uri, mode="r+")
    copy(volume.source, volume.domain, target, volume.domain.start)
    keeper = ability(target, SupportsAttributes)
    assert keeper is not None
    keeper.update_attributes({RUN_MARK: {**mark, "complete": True}})
    return uri


def _is_finished(uri: str) -> bool:
    try:
        return unfinished_step(uri) is None
    except NotFound:
        return False


def _digest(volume: Volume) -> str:
    described = repr((volume.spec.domain, volume.dtype.str, volume.spec.axes, volume.spec.kind))
    placed = repr((volume.voxel_size_nm, volume.spec.offset_nm))
    voxels = np.ascontiguousarray(volume.cutout(volume.domain))
    return hashlib.sha256(described.encode() + placed.encode() + voxels.tobytes()).hexdigest()[:16]


@cache
def _temporary() -> StoragePath:
    """Return a folder that is removed when this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="voxome-inputs-")
    _kept.append(folder)
    return storage_at(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []
"""Keeps the temporary folder until this process ends."""
