"""Arrays and open volumes as inputs of runs: what workers cannot open by a URI is written to disk first."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from voxome.contracts.formats import PRIVATE
from voxome.resources.open import create_source
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume, location_of
from voxome.services.blockwise_copy import copy
from voxome.services.ingest import spec_like


def store_arrays(inputs: Mapping[str, object], folder: Path | None) -> dict[str, Any]:
    """Return the inputs of a run with a URI in place of every volume, array and path.

    Parameters
    ----------
    inputs : mapping of str to values
        Values of a workflow or tool.
    folder : path or None
        Where arrays are written; a temporary folder of this process if None.
    """
    return {name: _stored(name, value, folder) for name, value in inputs.items()}


def run_inputs(folder: str | os.PathLike[str]) -> Path:
    """Return the folder for the arrays that were passed to the run in `folder`."""
    return Path(folder).expanduser().absolute() / PRIVATE / "inputs"


def _stored(name: str, value: Any, folder: Path | None) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.ndarray):
        value = as_volume(value)
    if not isinstance(value, Volume):
        return value
    return location_of(value) or _write(name, value, folder or _temporary())


def _write(name: str, volume: Volume, folder: Path) -> str:
    """Write a volume under a name with the digest of its voxels, unless it is there; return its URI."""
    target = folder / f"{name}-{_digest(volume)}.zarr"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{uuid4().hex}.zarr"
        written = create_source(f"zarr://{part}", spec_like(volume.spec))
        copy(volume.source, volume.domain, written, volume.domain.start)
        try:
            part.rename(target)
        except OSError:  # another process has just written the same
            shutil.rmtree(part, ignore_errors=True)
            if not target.exists():
                raise
    return f"zarr://{target}"


def _digest(volume: Volume) -> str:
    described = repr((volume.spec.domain, volume.dtype.str, volume.spec.axes, volume.spec.kind))
    placed = repr((volume.voxel_size_nm, volume.spec.offset_nm))
    voxels = np.ascontiguousarray(volume.cutout(volume.domain))
    return hashlib.sha256(described.encode() + placed.encode() + voxels.tobytes()).hexdigest()[:16]


@cache
def _temporary() -> Path:
    """Return a folder that is removed when this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="voxome-inputs-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []
"""Keeps the temporary folder until this process ends."""
