"""Validation of affinities against held-out labels."""

from __future__ import annotations

import torch
from torch import Tensor

from voxome.models.train.data import UNKNOWN, TrainingVolume
from voxome.models.train.network import NEAR, AffinityNet
from voxome.models.train.targets import affinities

_TILE = 64


def boundary_scores(net: AffinityNet, volume: TrainingVolume) -> dict[str, float]:
    """Return precision, recall and F1 of boundaries between nearest neighbours, at probability 0.5.

    Only complete tiles of the labels are used, or all of them if they are smaller than a tile.
    """
    shape = volume.labels.shape[2:]
    counts = torch.zeros(3)
    for z in range(0, max(1, shape[0] - _TILE + 1), _TILE):
        for y in range(0, max(1, shape[1] - _TILE + 1), _TILE):
            for x in range(0, max(1, shape[2] - _TILE + 1), _TILE):
                counts += _counts(net, volume, (z, y, x))
    hits, predicted, true = counts.tolist()
    precision, recall = hits / max(predicted, 1), hits / max(true, 1)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-9)}


def _counts(net: AffinityNet, volume: TrainingVolume, at: tuple[int, int, int]) -> Tensor:
    """Return the numbers of boundary pairs in one tile: correctly predicted, predicted and true."""
    labels = torch.full((_TILE + 1,) * 3, float(UNKNOWN))
    z, y, x = (slice(i, i + _TILE + 1) for i in at)
    known = volume.labels[0, 0, z, y, x]
    labels[: known.shape[0], : known.shape[1], : known.shape[2]] = known
    target, mask = affinities(labels, NEAR, _TILE)
    device = net.head.weight.device
    with torch.no_grad():
        predicted = (net(_mirror(volume, at, net.context).to(device))[0, : len(NEAR)] < 0).cpu()
    true, seen = target == 0, mask > 0
    return torch.stack([(predicted & true & seen).sum(), (predicted & seen).sum(), (true & seen).sum()]).float()


def _mirror(volume: TrainingVolume, at: tuple[int, int, int], context: int) -> Tensor:
    raw = volume.raw
    for axis in range(3):
        last = volume.raw.shape[2 + axis] - 1
        first = volume.start[axis] + at[axis] - context
        index = torch.arange(first, first + _TILE + 2 * context)
        raw = raw.index_select(2 + axis, last - (last - index % (2 * last)).abs())
    return raw
