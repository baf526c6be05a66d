"""Targets of networks: what they are trained to predict, made of labels after augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voxome.errors import NegativeLabel
from voxome.metrics.segmentation import NOT_LABELLED
from voxome.models.train.networks.config import Truth
from voxome.models.train.networks.data import UNKNOWN, Margins

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
    margins : labels needed beyond the output, so that its targets do not depend on where it ends.
    dimensions : 2 if sections have nothing to do with each other.
    instances : whether the labels must be those of objects, not a mask.
    """

    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def offsets(self) -> tuple[Offset, ...]: ...
    @property
    def margins(self) -> Margins: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def instances(self) -> bool: ...

    def encode(self, labels: NDArray[np.integer], truth: Truth) -> NDArray[np.int64]:
        """Return consecutive labels, 0 for background and `UNKNOWN` for what is not annotated, as -1 and 2^64 - 1."""

    def compute(self, labels: Tensor, out: Shape) -> tuple[Tensor, Tensor]:
        """Return targets and mask, each (channels, *out), for encoded labels with the margins."""


@dataclass(frozen=True, slots=True)
class Affinities:
    """Affinities to neighbouring voxels: 1 if both are in the same object. Label 0 is background or not annotated."""

    offsets: tuple[Offset, ...] = OFFSETS
    instances: bool = True
    dimensions: int = 3

    @property
    def channels(self) -> tuple[str, ...]:
        """Offsets as text."""
        return tuple(",".join(map(str, offset)) for offset in self.offsets)

    @property
    def margins(self) -> Margins:
        """Largest offset along every axis at the high end, and one voxel at both, for the edges of objects."""
        edge = _edge_margin(self.dimensions) if any(sum(offset) == 1 for offset in self.offsets) else (0, 0, 0)
        z, y, x = (max(offset[axis] for offset in self.offsets) + edge[axis] for axis in range(3))
        return edge, (z, y, x)

    def encode(self, labels: NDArray[np.integer], truth: Truth) -> NDArray[np.int64]:
        """Return consecutive labels, and `UNKNOWN` in place of 0 unless it is the boundary between objects."""
        numbers = _number(labels)
        return numbers if truth.zero_is_boundary else np.where(labels == 0, UNKNOWN, numbers)

    def compute(self, labels: Tensor, out: Shape) -> tuple[Tensor, Tensor]:
        """Return affinities and mask."""
        return affinities(labels, self.offsets, out, self.margins[0], self.dimensions)


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
    instances: bool = False
    dimensions: int = 3

    @property
    def channels(self) -> tuple[str, ...]:
        """Name of the objects, and their boundary."""
        return (self.name, "boundary") if self.boundary else (self.name,)

    @property
    def margins(self) -> Margins:
        """A voxel at both ends, where edges matter."""
        edge = _edge_margin(self.dimensions) if self.apart or self.boundary else (0, 0, 0)
        return edge, edge

    def encode(self, labels: NDArray[np.integer], truth: Truth) -> NDArray[np.int64]:
        """Return consecutive labels of objects; in sparse labels 0 is `UNKNOWN`, and the background has its own."""
        if truth.kind == "dense":
            return _number(labels)
        inside = (labels != 0) & (labels != truth.background)
        return np.where(labels == 0, UNKNOWN, _number(np.where(inside, labels, 0)))

    def compute(self, labels: Tensor, out: Shape) -> tuple[Tensor, Tensor]:
        """Return the inside of objects, their boundary if wanted, and mask."""
        here = _part(self.margins[0], out)
        inside, known = labels[here] > 0, (labels[here] != UNKNOWN).float()
        targets = [inside]
        if self.apart:
            targets = [inside & ~edges(labels, objects_only=True, dimensions=self.dimensions)[here]]
        if self.boundary:
            targets.append(inside & edges(labels, dimensions=self.dimensions)[here])
        return torch.stack(targets).float(), torch.stack([known] * len(targets))


def affinities(
    labels: Tensor, offsets: Sequence[Offset], out: Shape, start: Shape = (0, 0, 0), dimensions: int = 3
) -> tuple[Tensor, Tensor]:
    """Return target affinities and mask, each (channels, *out), of the voxels of `labels` from `start`.

    Channel k at voxel p is 1 if p and p + offset k belong to the same object, which 0 is not. For nearest neighbours,
    the outermost layer of objects that touch counts as outside, so that boundaries are two voxels thick. Pairs with an
    `UNKNOWN` voxel are masked.
    """
    edge = edges(labels, objects_only=True, dimensions=dimensions)
    here = _part(start, out)
    targets, masks = [], []
    for offset in offsets:
        there = _part([s + d for s, d in zip(start, offset, strict=True)], out)
        same = (labels[here] == labels[there]) & (labels[here] > 0)
        if sum(offset) == 1:
            same = same & ~edge[here] & ~edge[there]
        targets.append(same)
        masks.append((labels[here] != UNKNOWN) & (labels[there] != UNKNOWN))
    return torch.stack(targets).float(), torch.stack(masks).float()


def edges(labels: Tensor, *, objects_only: bool = False, dimensions: int = 3) -> Tensor:
    """Return the voxels that have a different known label among their six neighbours, or the four in their section.

    Parameters
    ----------
    labels : (z, y, x) tensor
        Encoded labels.
    objects_only : bool
        Whether background does not count as a label.
    dimensions : {2, 3}
        2 if sections have nothing to do with each other.
    """
    lowest = 0 if objects_only else UNKNOWN
    edge = torch.zeros_like(labels, dtype=torch.bool)
    for axis in range(3 - dimensions, 3):
        n = labels.shape[axis]
        low, high = labels.narrow(axis, 0, n - 1), labels.narrow(axis, 1, n - 1)
        differ = (low != high) & (low > lowest) & (high > lowest)
        edge.narrow(axis, 0, n - 1).logical_or_(differ)
        edge.narrow(axis, 1, n - 1).logical_or_(differ)
    return edge


def _edge_margin(dimensions: int) -> Shape:
    """Return the voxels around a patch that decide whether its outermost voxels are edges."""
    return int(dimensions == 3), 1, 1


def _part(start: Sequence[int], shape: Shape) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))


def _number(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return labels as consecutive integers; 0 stays 0, and `NOT_LABELLED` and -1 become `UNKNOWN`.

    Raises
    ------
    NegativeLabel
        If one is less than -1.
    """
    if labels.dtype.kind == "i" and labels.size and (least := int(labels.min())) < -1:
        raise NegativeLabel(f"The labels have {least}; expected at least 0, or -1 where nothing is labelled")
    unsigned = labels.astype(np.uint64)
    unknown = unsigned == NOT_LABELLED
    ids, numbers = np.unique(np.where(unknown, np.uint64(0), unsigned), return_inverse=True)
    return np.where(unknown, UNKNOWN, np.asarray(numbers, np.int64).reshape(labels.shape) + (0 if ids[0] == 0 else 1))
