"""Small volumes, networks and configurations for the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

import voxome
from voxome.models.train.networks.config import NetworkConfig

SMALL = {"widths": (2, 3, 3, 4), "units": 0}

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


def partition(shape: tuple[int, int, int], seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Raw with dark borders between the cells of a Voronoi partition, and the partition."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, bool)
    seeds[tuple(rng.integers(0, n, 40) for n in shape)] = True
    nearest = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
    labels = np.ravel_multi_index(tuple(nearest), shape).astype(np.int64) + 1
    edge = np.zeros(shape, bool)
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        differ = labels[tuple(low)] != labels[tuple(high)]
        edge[tuple(low)] |= differ
        edge[tuple(high)] |= differ
    return np.where(edge, 60, 180).astype(np.uint8), labels


def balls(shape: tuple[int, int, int], seed: int = 5, count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Raw with dark balls, and the labels of the balls."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint32)
    grid = np.indices(shape)
    for number in range(1, count + 1):
        centre = [rng.integers(0, n) for n in shape]
        labels[sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= 16] = number
    noise = rng.normal(0, 12, shape)
    return np.clip(np.where(labels > 0, 90, 160) + noise, 0, 255).astype(np.uint8), labels


def save(folder: Path, name: str, array: np.ndarray, kind: str = "image", size: Any = (8, 8, 8)) -> str:
    """Store an array, and return its URI."""
    spec = voxome.VolumeSpec.of(array.shape, array.dtype, kind=kind, voxel_size_nm=size)
    volume = voxome.create(f"zarr://{folder}/{name}.zarr", spec)
    volume[...] = array
    return volume.uri


def config_of(data: list[dict[str, Any]], validation: list[dict[str, Any]] | None = None, **more: Any) -> NetworkConfig:
    """Configuration of a small training."""
    settings: dict[str, Any] = {
        "network": SMALL,
        "patch": (8, 8, 8),
        "steps": 6,
        "epoch_steps": 4,
        "validate_steps": 2,
        "threads": 1,
    }
    return NetworkConfig.model_validate({"data": data, "validation": validation or [], **settings, **more})
