"""Export of a trained network to ONNX, with its card."""

from __future__ import annotations

import copy
import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voxome.models.cards import Model, ModelCard, Normalization
from voxome.models.parity import check_parity, require_deterministic
from voxome.models.train.networks.data import TrainingVolume
from voxome.models.train.networks.targets import Targets
from voxome.models.train.networks.unet import UNet
from voxome.storage.atomic import replacing

_DYNAMIC = {0: "n", 2: "z", 3: "y", 4: "x"}
"""Axes of the network whose lengths are not fixed, with their names in ONNX."""
_EXPORTED = 4
"""Strides in the output of the size that is exported."""
_PARITY = ((1, 2), (2, 3), (3, 5))
"""Batch, and strides in the output, of the sizes at which the export is checked."""


class _Probabilities(nn.Module):
    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(self.net(raw))


def export(net: UNet, path: Path, volumes: Sequence[TrainingVolume]) -> None:
    """Write `net` with a sigmoid, from raw (n, 1, z, y, x) to probabilities (n, channels, z - 2 context, …).

    The file is compared with the network, at three other sizes and batches, on grey values of the volumes.

    Raises
    ------
    CorruptData
        If it differs; nothing is written then.
    """
    plain = _Probabilities(copy.deepcopy(net).to("cpu", memory_format=torch.contiguous_format)).eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            plain,
            (_grey_values(net, volumes, 2, _EXPORTED),),
            buffer,
            input_names=["raw"],
            output_names=["probabilities"],
            dynamic_axes={"raw": _DYNAMIC, "probabilities": {a: f"{name}_out" for a, name in _DYNAMIC.items()}},
            opset_version=17,
            dynamo=False,
        )
    with replacing(path) as partial:
        partial.write_bytes(buffer.getbuffer())
        require_deterministic(partial)
        with torch.no_grad():
            pairs = [(raw.numpy(), plain(raw).numpy()) for raw in (_grey_values(net, volumes, *n) for n in _PARITY)]
        check_parity(partial, pairs)


def _grey_values(net: UNet, volumes: Sequence[TrainingVolume], batch: int, strides: int) -> Tensor:
    """Return normalized grey values (batch, 1, z, y, x) from the start of the volumes, mirrored beyond their end."""
    shape = [max(2, n * strides) + 2 * c for n, c in zip(net.stride, net.context, strict=True)]
    samples = []
    for number in range(batch):
        raw = volumes[number % len(volumes)].raw[0, 0]
        for axis, length in enumerate(shape):
            last = raw.shape[axis] - 1
            index = torch.arange(length) + 7 * number
            inside = last - (last - index % (2 * last)).abs() if last else torch.zeros_like(index)
            raw = raw.index_select(axis, inside)
        samples.append(raw[None])
    return torch.stack(samples).cpu()


def publish(
    net: UNet, folder: Path, targets: Targets, volumes: Sequence[TrainingVolume], facts: dict[str, Any]
) -> Model:
    """Write NAME.onnx to `folder`, and the card NAME.json with `facts` and the properties of the network."""
    path = folder / f"{facts['name']}.onnx"
    export(net, path, volumes)
    card = ModelCard(
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        channels=targets.channels,
        offsets=targets.offsets,
        context=net.context,
        stride=net.stride,
        normalization=Normalization(statistics="volume"),
        norm="none",
        **facts,
    )
    with replacing(path.with_suffix(".json")) as partial:
        partial.write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return Model(path, card)
