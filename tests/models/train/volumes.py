"""Volumes for the tests of training, and their addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import voxome

SPELLINGS = (
    "raw.zarr",
    "./raw.zarr/",
    "zarr://raw.zarr",
    "link.zarr",
    "{folder}/sub/../raw.zarr?level=0",
    "raw.zarr/0",
)
"""Other addresses of raw.zarr in the working directory, a pyramid; the last names its level."""


def spell(name: str, folder: Path) -> str:
    """Return another address of raw.zarr in a folder, with the link and folder that it needs."""
    (folder / "sub").mkdir()
    (folder / "link.zarr").symlink_to(folder / "raw.zarr")
    return name.format(folder=folder)


def save(
    folder: Path, name: str, array: np.ndarray, kind: str = "image", size: Any = (8, 8, 8), offset_nm: Any = (0, 0, 0)
) -> str:
    """Store an array, and return its URI."""
    spec = voxome.VolumeSpec.of(array.shape, array.dtype, kind=kind, voxel_size_nm=size, offset_nm=offset_nm)
    volume = voxome.create(f"zarr://{folder}/{name}.zarr", spec)
    volume[...] = array
    return volume.uri
