"""Training volumes and the patches cut from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from voxome.models.train import augment

UNKNOWN = -1


@dataclass(frozen=True)
class TrainingVolume:
    """Raw and labels over one lattice; labels cover the corner at the origin.

    Attributes
    ----------
    raw : (1, 1, z, y, x) float32, normalised.
    labels : (1, 1, z, y, x) float32 of small integers; may be shorter than `raw` along an axis. Every voxel counts as known.
    mean, std : grey-value statistics that `raw` was normalised with.
    """

    raw: Tensor
    labels: Tensor
    mean: float
    std: float


@dataclass(frozen=True)
class Patch:
    """`raw` (in, in, in) normalised and augmented, and `labels` (out, out, out), `UNKNOWN` outside the truth."""

    raw: Tensor
    labels: Tensor


def from_arrays(raw: NDArray[Any], labels: NDArray[np.integer[Any]]) -> TrainingVolume:
    """Normalise raw (z, y, x) by the mean and standard deviation of its labelled part, and number labels densely.

    Labels are (z, y, x) and start at raw's origin.
    """
    known = raw[tuple(slice(n) for n in labels.shape)]
    mean, std = float(known.mean()), float(known.std())
    dense = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return TrainingVolume(
        torch.from_numpy((raw.astype(np.float32) - mean) / std)[None, None],
        torch.from_numpy(dense.astype(np.float32))[None, None],
        mean,
        std,
    )


def load(
    path: Path, stop_z: int, *, raw: str = "volumes/raw", labels: str = "volumes/labels/neuron_ids"
) -> TrainingVolume:
    """Read an HDF5 file in the CREMI layout; labels from z 0 to `stop_z`, raw whole."""
    with h5py.File(path) as f:
        return from_arrays(f[raw][:], f[labels][:stop_z])


def cut(
    volume: TrainingVolume, out: int, context: int, reach: int, rng: np.random.Generator, *, contrast: bool = True
) -> Patch:
    """Cut one randomly placed, rotated, mirrored and deformed patch, with a change of contrast.

    The raw patch has `out + 2 * context` voxels a side. The labels' first `out` voxels a side lie below its centre; `reach` more
    follow along every axis for the far neighbours. Raw beyond the volume is mirrored, labels there are `UNKNOWN`.
    """
    size = out + 2 * context
    where = augment.coordinates(_centre(volume, out, rng), size, rng)
    raw = _sample(volume.raw, where, "bilinear")
    inner = where[context : context + out + reach, context : context + out + reach, context : context + out + reach]
    labels = _sample(volume.labels, inner, "nearest")
    last = torch.tensor(volume.labels.shape[2:]) - 1
    inside = ((inner >= -0.5) & (inner <= last + 0.5)).all(-1)
    labels[~inside] = UNKNOWN
    return Patch(augment.grey_values(raw, rng) if contrast else raw, labels)


def _centre(volume: TrainingVolume, out: int, rng: np.random.Generator) -> NDArray[np.float64]:
    shape = np.array(volume.labels.shape[2:])
    margin = np.minimum(out // 2 - 4, shape // 2)
    return np.asarray(rng.integers(margin, shape - margin + 1), dtype=np.float64)


def _sample(volume: Tensor, where: Tensor, mode: str) -> Tensor:
    """Values of `volume` at voxel positions `where` (..., 3) in z, y, x, mirrored at the ends."""
    last = torch.tensor(volume.shape[2:], dtype=torch.float32) - 1
    grid = (2 * where / last - 1).flip(-1)[None]
    return functional.grid_sample(volume, grid, mode=mode, padding_mode="reflection", align_corners=True)[0, 0]
