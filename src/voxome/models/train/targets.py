"""Target affinities and the loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from voxome.models.train.data import UNKNOWN
from voxome.models.train.network import Offset


def affinities(labels: Tensor, offsets: Sequence[Offset], out: int) -> tuple[Tensor, Tensor]:
    """Return target affinities and mask, each (channels, out, out, out), for labels (n, n, n) with n > `out`.

    Channel k at voxel p is 1 if p and p + offset k belong to the same neuron. For nearest neighbours, the outermost
    layer of every neuron counts as outside, so that boundaries are two voxels thick. Pairs with an `UNKNOWN` voxel are
    masked.
    """
    edge = boundary(labels)
    source = labels[:out, :out, :out]
    targets, masks = [], []
    for dz, dy, dx in offsets:
        window = (slice(dz, dz + out), slice(dy, dy + out), slice(dx, dx + out))
        target = labels[window]
        same = source == target
        if dz + dy + dx == 1:
            same = same & ~edge[:out, :out, :out] & ~edge[window]
        targets.append(same)
        masks.append((source != UNKNOWN) & (target != UNKNOWN))
    return torch.stack(targets).float(), torch.stack(masks).float()


def boundary(labels: Tensor) -> Tensor:
    """Return the voxels that have a different known label among their six neighbours."""
    edge = torch.zeros_like(labels, dtype=torch.bool)
    for axis in range(3):
        n = labels.shape[axis]
        low, high = labels.narrow(axis, 0, n - 1), labels.narrow(axis, 1, n - 1)
        differ = (low != high) & (low != UNKNOWN) & (high != UNKNOWN)
        edge.narrow(axis, 0, n - 1).logical_or_(differ)
        edge.narrow(axis, 1, n - 1).logical_or_(differ)
    return edge


def balanced_loss(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over channels of the cross entropy, weighted by the inverse root of class frequencies."""
    axes = (-3, -2, -1)
    total = mask.sum(axes, keepdim=True).clamp(min=1)
    share = ((target * mask).sum(axes, keepdim=True) / total).clamp(0.02, 0.98)
    weight = mask * (target * (1 - share).sqrt() + (1 - target) * share.sqrt())
    loss = functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return (loss.sum(axes) / weight.sum(axes).clamp(min=1)).mean()
