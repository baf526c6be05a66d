"""Loss of networks."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

Balance = Literal["root", "inverse", "none"]
_AXES = (-3, -2, -1)


def balanced_loss(logits: Tensor, target: Tensor, mask: Tensor, balance: Balance = "root") -> Tensor:
    """Return the mean cross entropy of the channels and patches that have annotated voxels, in float32.

    Parameters
    ----------
    logits, target, mask : (n, channels, z, y, x) tensors
        Output, target, and 1 where voxels are annotated.
    balance : str
        Weight of the two classes of a channel: the inverse of their frequency in the patch, its root, or none.

    Returns
    -------
    scalar tensor
        0 if nothing is annotated.
    """
    losses, weights = loss_sums(logits.float(), target, mask, balance)
    seen = weights > 0
    means = losses / weights.where(seen, weights.new_ones(()))
    return (means * seen).sum() / seen.sum().clamp(min=1)


def loss_sums(logits: Tensor, target: Tensor, mask: Tensor, balance: Balance) -> tuple[Tensor, Tensor]:
    """Return the weighted sums of the cross entropy, and the sums of weights, each (n, channels)."""
    weight = mask * _class_weights(target, mask, balance)
    loss = functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return loss.sum(_AXES), weight.sum(_AXES)


def _class_weights(target: Tensor, mask: Tensor, balance: Balance) -> Tensor:
    if balance == "none":
        return mask
    total = mask.sum(_AXES, keepdim=True).clamp(min=1)
    share = ((target * mask).sum(_AXES, keepdim=True) / total).clamp(0.02, 0.98)
    rare, common = 1 - share, share
    if balance == "root":
        rare, common = rare.sqrt(), common.sqrt()
    return target * rare + (1 - target) * common
