"""Training volumes and patches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from voxome.geometry.box import Box
from voxome.models.train import augment
from voxome.models.train.network import AffinityNet
from voxome.resources.open import open_source

UNKNOWN = -1
"""Label of voxels whose segment is not known; they do not contribute to the loss."""


@dataclass(frozen=True)
class TrainingVolume:
    """Image and labels with the same voxel size; the image covers at least the labels.

    Attributes
    ----------
    raw : (1, 1, z, y, x) tensor of float32
        Normalized image.
    labels : (1, 1, z, y, x) tensor of float32
        Consecutive integers, as grid sampling takes floats; `UNKNOWN` in place of label 0.
    start : (z, y, x)
        Position in `raw` of the first voxel of `labels`.
    mean, std : float
        Grey-value statistics used for normalization.
    """

    raw: Tensor
    labels: Tensor
    start: tuple[int, int, int]
    mean: float
    std: float

    def to(self, device: torch.device) -> TrainingVolume:
        """Return the volume in the memory of `device`."""
        return replace(self, raw=self.raw.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Patch:
    """Augmented image and labels of one patch.

    Attributes
    ----------
    raw : (n, n, n) tensor of float32
        Image; ``n = out + 2 * context`` in the terms of `cut`.
    labels : (m, m, m) tensor of float32
        Labels of the centre, ``m = out + reach``; `UNKNOWN` outside the ground truth.
    """

    raw: Tensor
    labels: Tensor


def from_arrays(
    raw: NDArray[Any], labels: NDArray[np.integer[Any]], start: tuple[int, int, int] = (0, 0, 0)
) -> TrainingVolume:
    """Return a training volume with consecutive labels.

    Parameters
    ----------
    raw : (z, y, x) array
        Image, which is normalized by the statistics of its labelled part.
    labels : (z, y, x) array of integers
        Segment of each voxel, 0 where it is unknown.
    start : (z, y, x)
        Position in `raw` of the first voxel of `labels`.
    """
    known = raw[Box.of_shape(labels.shape, start).within(Box.of_shape(raw.shape))]
    mean, std = float(known.mean()), float(known.std())
    dense = np.where(labels == 0, UNKNOWN, np.unique(labels, return_inverse=True)[1].reshape(labels.shape))
    return TrainingVolume(
        torch.from_numpy((raw.astype(np.float32) - mean) / std)[None, None],
        torch.from_numpy(dense.astype(np.float32))[None, None],
        start,
        mean,
        std,
    )


def load(raw: str, labels: str, box: Box, context: int = 2 * AffinityNet.context) -> TrainingVolume:
    """Load a training volume.

    Parameters
    ----------
    raw : str
        URI of the image, which is read up to `context` voxels beyond `box`.
    labels : str
        URI of the labels.
    box : Box
        Voxels (z, y, x) of the labels.
    context : int
        Number of voxels around the labels that a patch may need.
    """
    image = open_source(raw)
    read = box.grow((context,) * 3) & image.spec.domain
    z, y, x = (a - b for a, b in zip(box.start, read.start, strict=True))
    return from_arrays(image.read(read), open_source(labels).read(box), (z, y, x))


def cut(
    volume: TrainingVolume,
    out: int,
    context: int,
    reach: int,
    rng: np.random.Generator,
    *,
    contrast: bool = True,
) -> Patch:
    """Cut one patch at a random position, with random augmentation.

    Beyond the volume, the image is mirrored and labels are `UNKNOWN`.

    Parameters
    ----------
    volume : TrainingVolume
        Image and labels.
    out : int
        Edge length of the network's output, which is at the centre of the patch.
    context : int
        Number of image voxels that the network needs on each side of its output.
    reach : int
        Largest offset of an affinity: the labels have that many more voxels at the high end of every axis.
    rng : numpy.random.Generator
        Source of the position and the augmentation.
    contrast : bool
        Whether grey values are augmented too.
    """
    size = out + 2 * context
    device = volume.raw.device
    positions = augment.coordinates(_random_centre(volume, out, rng), size, rng, device)
    raw = _sample(volume.raw, positions, "bilinear")
    central = slice(context, context + out + reach)
    inner = positions[central, central, central] - torch.tensor(volume.start, device=device)
    labels = _sample(volume.labels, inner, "nearest")
    last = torch.tensor(volume.labels.shape[2:], device=device) - 1
    labels[~((inner >= -0.5) & (inner <= last + 0.5)).all(-1)] = UNKNOWN
    return Patch(augment.grey_values(raw, rng) if contrast else raw, labels)


def _random_centre(volume: TrainingVolume, out: int, rng: np.random.Generator) -> NDArray[np.float64]:
    shape = np.array(volume.labels.shape[2:])
    margin = np.minimum(out // 2 - 4, shape // 2)
    return np.asarray(rng.integers(margin, shape - margin + 1) + volume.start, dtype=np.float64)


def _sample(volume: Tensor, positions: Tensor, mode: str) -> Tensor:
    """Return the values of `volume` at voxel `positions` (..., 3), z, y, x, mirrored at the borders."""
    last = torch.tensor(volume.shape[2:], dtype=torch.float32, device=volume.device) - 1
    grid = (2 * positions / last - 1).flip(-1)[None]
    return functional.grid_sample(volume, grid, mode=mode, padding_mode="reflection", align_corners=True)[0, 0]
