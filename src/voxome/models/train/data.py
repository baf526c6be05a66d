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


@dataclass(frozen=True)
class TrainingVolume:
    """Image and labels with the same voxel size; the image covers at least the labels.

    Attributes
    ----------
    raw : (1, 1, z, y, x) float32, normalized.
    labels : (1, 1, z, y, x) float32 of consecutive integers; `UNKNOWN` in place of label 0.
    start : position (z, y, x) of the first labelled voxel in `raw`.
    mean, std : grey-value statistics used for normalization.
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
    """Augmented image `raw` (in, in, in) and `labels` (out, out, out), `UNKNOWN` outside the ground truth."""

    raw: Tensor
    labels: Tensor


def from_arrays(
    raw: NDArray[Any], labels: NDArray[np.integer[Any]], start: tuple[int, int, int] = (0, 0, 0)
) -> TrainingVolume:
    """Return a training volume, with raw (z, y, x) normalized by the statistics of its labelled part.

    Labels are renumbered consecutively; `start` is the position of the first labelled voxel in `raw`.
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
    """Load the labels of `box` from one URI, and the image up to `context` voxels beyond it from another."""
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

    The image has ``out + 2 * context`` voxels along every axis; the labels have its central `out` voxels and `reach`
    more at the high end of every axis, for distant neighbours. Beyond the volume, the image is mirrored and labels are
    `UNKNOWN`.
    """
    size = out + 2 * context
    device = volume.raw.device
    where = augment.coordinates(_centre(volume, out, rng), size, rng, device)
    raw = _sample(volume.raw, where, "bilinear")
    central = slice(context, context + out + reach)
    inner = where[central, central, central] - torch.tensor(volume.start, device=device)
    labels = _sample(volume.labels, inner, "nearest")
    last = torch.tensor(volume.labels.shape[2:], device=device) - 1
    labels[~((inner >= -0.5) & (inner <= last + 0.5)).all(-1)] = UNKNOWN
    return Patch(augment.grey_values(raw, rng) if contrast else raw, labels)


def _centre(volume: TrainingVolume, out: int, rng: np.random.Generator) -> NDArray[np.float64]:
    shape = np.array(volume.labels.shape[2:])
    margin = np.minimum(out // 2 - 4, shape // 2)
    return np.asarray(rng.integers(margin, shape - margin + 1) + volume.start, dtype=np.float64)


def _sample(volume: Tensor, where: Tensor, mode: str) -> Tensor:
    """Return the values of `volume` at voxel positions `where` (..., 3), z, y, x, mirrored at the borders."""
    last = torch.tensor(volume.shape[2:], dtype=torch.float32, device=volume.device) - 1
    grid = (2 * where / last - 1).flip(-1)[None]
    return functional.grid_sample(volume, grid, mode=mode, padding_mode="reflection", align_corners=True)[0, 0]
