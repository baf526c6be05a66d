"""Affinities from labels, and the loss against them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from voxome.models.train.data import UNKNOWN
from voxome.models.train.network import Offset


def affinities(labels: Tensor, offsets: Sequence[Offset], out: int) -> tuple[Tensor, Tensor]:
    """Targets and mask, each (channels, out, out, out), from labels (n, n, n) that reach beyond `out`.

    Channel k at voxel p says whether p and p + offset k belong to one neuron. For nearest neighbours the
    outermost layer of every neuron counts as outside, so that the boundary is two voxels thick. Pairs with an
    `UNKNOWN` end are masked.
    """
    edge = boundary(labels)
    here = labels[:out, :out, :out]
    targets, masks = [], []
    for dz, dy, dx in offsets:
        window = (slice(dz, dz + out), slice(dy, dy + out), slice(dx, dx + out))
        there = labels[window]
        same = here == there
        if dz + dy + dx == 1:
            same = same & ~edge[:out, :out, :out] & ~edge[window]
        targets.append(same)
        masks.append((here != UNKNOWN) & (there != UNKNOWN))
    return torch.stack(targets).float(), torch.stack(masks).float()


def boundary(labels: Tensor) -> Tensor:
    """Voxels with a differing known label among their six neighbours."""
    edge = torch.zeros_like(labels, dtype=torch.bool)
    for axis in range(3):
        n = labels.shape[axis]
        low, high = labels.narrow(axis, 0, n - 1), labels.narrow(axis, 1, n - 1)
        differ = (low != high) & (low != UNKNOWN) & (high != UNKNOWN)
        edge.narrow(axis, 0, n - 1).logical_or_(differ)
        edge.narrow(axis, 1, n - 1).logical_or_(differ)
    return edge


def balanced_loss(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Binary cross entropy, mean of channels; classes are weighted by the inverse root of their frequency."""
    axes = (-3, -2, -1)
    total = mask.sum(axes, keepdim=True).clamp(min=1)
    share = ((target * mask).sum(axes, keepdim=True) / total).clamp(0.02, 0.98)
    weight = mask * (target * (1 - share).sqrt() + (1 - target) * share.sqrt())
    loss = functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return (loss.sum(axes) / weight.sum(axes).clamp(min=1)).mean()
