"""Targets of networks: what they are trained to predict, made of labels after augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voxome.metrics.segmentation import NOT_LABELLED
from voxome.models.train.networks.config import Truth
from voxome.models.train.networks.data import UNKNOWN

Offset = tuple[int, int, int]
Shape = tuple[int, int, int]

NEAR: tuple[Offset, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
FAR: tuple[Offset, ...] = tuple(
    (d if a == 0 else 0, d if a == 1 else 0, d if a == 2 else 0) for d in (4, 10) for a in range(3)
)
OFFSETS: tuple[Offset, ...] = NEAR + FAR


class Targets(Protocol):
    """What a network is trained to predict.

    Attributes
    ----------
    channels : names of the output channels.
    offsets : offsets of affinities, for these only.
    reach : voxels (z, y, x) of labels needed beyond the output, at the high end of every axis.
    instances : whether the labels must be those of objects, not a mask.
    """

    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def offsets(self) -> tuple[Offset, ...]: ...
    @property
    def reach(self) -> Shape: ...
    @property
    def instances(self) -> bool: ...

    def encode(self, labels: NDArray[np.integer], truth: Truth) -> NDArray[np.int64]:
        """Return consecutive labels, 0 for background and `UNKNOWN` for what is not annotated, as -1 and 2^64 - 1."""

    def compute(self, labels: Tensor, out: Shape) -> tuple[Tensor, Tensor]:
        """Return targets and mask, each (channels, *out), for encoded labels of ``out + reach`` voxels."""


@dataclass(frozen=True, slots=True)
class Affinities:
    """Affinities to neighbouring voxels: 1 if both belong to the same object. Label 0 is never annotated."""

    offsets: tuple[Offset, ...] = OFFSETS
    instances: bool = True

    @property
    def channels(self) -> tuple[str, ...]:
        """Offsets as text."""
        return tuple(",".join(map(str, offset)) for offset in self.offsets)

    @property
    def reach(self) -> Shape:
        """Largest offset along every axis."""
        z, y, x = (max(offset[axis] for offset in self.offsets) for axis in range(3))
        return z, y, x

    def encode(self, labels: NDArray[np.integer], truth: Truth) -> NDArray[np.int64]:
        """Return consecutive labels, and `UNKNOWN` in place of 0."""
        return np.where(labels == 0, UNKNOWN, _number(labels))

    def compute(self, labels: Tensor, out: Shape) -> tuple[Tensor, Tensor]:
        """Return affinities and mask."""
        return affinities(labels, self.offsets, out)


@dataclass(frozen=True, slots=True)
class Objects:
    """Inside of objects.

    Attributes
    ----------
    name : name of the channel.
    apart : whether voxels next to another object are outside, so that objects that touch are apart.
    boundary : whether a second channel is the border between an object and anything else.
    """

    name: str
    apart: bool = True
    boundary: bool = False
    offsets: tuple[Offset, ...] = ()
    reach: Shape = (0, 0, 0)
    instances: bool = False

    @property
    def channels(self) -> tuple[str, ...]:
        """Name of the objects, and their boundary."""
        return (self.name, "boundary") if self.boundary else (self.name,)

    def encode(self, labels: NDArray[np.integer], truth: Truth) -> NDArray[np.int64]:
        """Return consecutive labels of objects; in sparse labels 0 is `UNKNOWN`, and the background has its own."""
        if truth.kind == "dense":
            return _number(labels)
        inside = (labels != 0) & (labels != truth.background)
        return np.where(labels == 0, UNKNOWN, _number(np.where(inside, labels, 0)))

    def compute(self, labels: Tensor, out: Shape) -> tuple[Tensor, Tensor]:
        """Return the inside of objects, their boundary if wanted, and mask."""
        inside, known = labels > 0, (labels != UNKNOWN).float()
        targets = [inside & ~edges(labels, objects_only=True) if self.apart else inside]
        if self.boundary:
            targets.append(inside & edges(labels))
        return torch.stack(targets).float(), torch.stack([known] * len(targets))


def affinities(labels: Tensor, offsets: Sequence[Offset], out: Shape) -> tuple[Tensor, Tensor]:
    """Return target affinities and mask, each (channels, *out), for labels of at least ``out`` + offset voxels.

    Channel k at voxel p is 1 if p and p + offset k belong to the same object. For nearest neighbours, the outermost
    layer of every object counts as outside, so that boundaries are two voxels thick. Pairs with an `UNKNOWN` voxel are
    masked.
    """
    edge = edges(labels)
    here = tuple(slice(n) for n in out)
    targets, masks = [], []
    for offset in offsets:
        there = tuple(slice(d, d + n) for d, n in zip(offset, out, strict=True))
        same = labels[here] == labels[there]
        if sum(offset) == 1:
            same = same & ~edge[here] & ~edge[there]
        targets.append(same)
        masks.append((labels[here] != UNKNOWN) & (labels[there] != UNKNOWN))
    return torch.stack(targets).float(), torch.stack(masks).float()


def edges(labels: Tensor, *, objects_only: bool = False) -> Tensor:
    """Return the voxels that have a different known label among their six neighbours.

    Parameters
    ----------
    labels : (z, y, x) tensor
        Encoded labels.
    objects_only : bool
        Whether background does not count as a label.
    """
    lowest = 0 if objects_only else UNKNOWN
    edge = torch.zeros_like(labels, dtype=torch.bool)
    for axis in range(3):
        n = labels.shape[axis]
        low, high = labels.narrow(axis, 0, n - 1), labels.narrow(axis, 1, n - 1)
        differ = (low != high) & (low > lowest) & (high > lowest)
        edge.narrow(axis, 0, n - 1).logical_or_(differ)
        edge.narrow(axis, 1, n - 1).logical_or_(differ)
    return edge


def _number(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return labels as consecutive integers; 0 stays 0, and `NOT_LABELLED` and -1 become `UNKNOWN`."""
    unsigned = labels.astype(np.uint64)
    unknown = unsigned == NOT_LABELLED
    ids, numbers = np.unique(np.where(unknown, np.uint64(0), unsigned), return_inverse=True)
    return np.where(unknown, UNKNOWN, np.asarray(numbers, np.int64).reshape(labels.shape) + (0 if ids[0] == 0 else 1))
