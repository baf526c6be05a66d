"""Small samples and configurations for the tests of training of networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from voxome.models.train.networks.config import NetworkConfig

SMALL = {"widths": (2, 3, 3, 4), "units": 0}


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
