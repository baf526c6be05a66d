"""Validation of a network on volumes that it was not trained on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from voxome.geometry.box import Box
from voxome.models.train.networks.data import UNKNOWN, Margins, TrainingVolume
from voxome.models.train.networks.loss import Balance, loss_sums
from voxome.models.train.networks.targets import Targets
from voxome.models.train.networks.unet import UNet

Shape = tuple[int, int, int]


def validation_scores(
    net: UNet, volumes: Sequence[TrainingVolume], targets: Targets, tile: Shape, balance: Balance = "root"
) -> dict[str, float]:
    """Return the loss, and precision, recall and F1 of every channel at probability 0.5, over all annotated voxels.

    Affinities are scored by their boundaries, which are the rarer class. A score without anything to count is 0.

    Parameters
    ----------
    net : UNet
        Network to validate.
    volumes : sequence of TrainingVolume
        Volumes with truth.
    targets : Targets
        What the network predicts.
    tile : (z, y, x)
        Voxels predicted at a time; classes are weighted by their frequency in it.
    balance : str
        Weights of classes in the loss.
    """
    counts = torch.zeros(3, len(targets.channels), dtype=torch.float64)
    losses = torch.zeros(2, dtype=torch.float64)
    for logits, target, mask in _tiles(net, volumes, targets, tile):
        sums, weights = loss_sums(logits[None], target[None], mask[None], balance)
        losses += torch.stack([sums.double().sum(), weights.double().sum()])
        predicted, true = (logits < 0, target == 0) if targets.offsets else (logits >= 0, target == 1)
        known = mask > 0
        parts = (predicted & true & known, predicted & known, true & known)
        counts += torch.stack([part.sum((-3, -2, -1)).double() for part in parts])
    scores = {"loss": float(losses[0] / losses[1].clamp(min=1e-9))}
    for name, (hits, predicted_count, true_count) in zip(targets.channels, counts.T.tolist(), strict=True):
        precision, recall = hits / max(predicted_count, 1), hits / max(true_count, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        values = {"precision": precision, "recall": recall, "f1": f1}
        scores |= {f"{name} {score}": value for score, value in values.items()}
    return scores


def _tiles(
    net: UNet, volumes: Sequence[TrainingVolume], targets: Targets, tile: Shape
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield logits, targets and mask of every tile of the labels."""
    device = net.head.weight.device
    for volume in volumes:
        shape = volume.labels.shape[2:]
        for at in itertools.product(*(range(0, n, step) for n, step in zip(shape, tile, strict=True))):
            target, mask = targets.compute(_labels(volume, at, tile, targets.margins), tile)
            if mask.any():
                with torch.no_grad():
                    logits = net(_mirror(volume, at, tile, net.context).to(device))[0].float().cpu()
                yield logits, target, mask


def _labels(volume: TrainingVolume, at: tuple[int, ...], tile: Shape, margins: Margins) -> Tensor:
    """Return the labels of a tile with margins, `UNKNOWN` outside of the volume."""
    below, above = margins
    stop = [a + n + more for a, n, more in zip(at, tile, above, strict=True)]
    box = Box(tuple(a - more for a, more in zip(at, below, strict=True)), tuple(stop))
    whole = volume.labels[0, 0]
    labels, known = torch.full(box.shape, float(UNKNOWN)), box & Box.of_shape(whole.shape)
    labels[known.within(box)] = whole[known.within(Box.of_shape(whole.shape))]
    return labels


def _mirror(volume: TrainingVolume, at: tuple[int, ...], tile: Shape, context: Shape) -> Tensor:
    raw = volume.raw
    for axis in range(3):
        last = volume.raw.shape[2 + axis] - 1
        first = volume.start[axis] + at[axis] - context[axis]
        index = torch.arange(first, first + tile[axis] + 2 * context[axis])
        inside = last - (last - index % (2 * last)).abs() if last else torch.zeros_like(index)
        raw = raw.index_select(2 + axis, inside)
    return raw
