"""Export of a trained network to ONNX, with its card."""

from __future__ import annotations

import copy
import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voxome.models.cards import Model, ModelCard
from voxome.models.train.network import OFFSETS, AffinityNet
from voxome.storage.atomic import replacing

_DYNAMIC = {2: "z", 3: "y", 4: "x"}
"""Axes of the network whose lengths are not fixed, with their names in ONNX."""


class _Probabilities(nn.Module):
    def __init__(self, net: AffinityNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(self.net(raw))


def export(net: AffinityNet, path: Path, tile: int = 16) -> None:
    """Write `net` with a sigmoid, from raw (1, 1, z, y, x) to affinities (1, channels, z - 2 context, …)."""
    plain = _Probabilities(copy.deepcopy(net).to("cpu", memory_format=torch.contiguous_format)).eval()
    size = tile + 2 * net.context
    with replacing(path) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            plain,
            (torch.zeros(1, 1, size, size, size),),
            str(partial),
            input_names=["raw"],
            output_names=["affinities"],
            dynamic_axes={"raw": _DYNAMIC, "affinities": {axis: f"{name}_out" for axis, name in _DYNAMIC.items()}},
            opset_version=17,
            dynamo=False,
        )


def publish(net: AffinityNet, folder: Path, facts: dict[str, Any]) -> Model:
    """Write NAME.onnx to `folder`, and the card NAME.json with `facts` and the properties of the network."""
    path = folder / f"{facts['name']}.onnx"
    export(net, path)
    card = ModelCard(
        task="affinities",
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        offsets=OFFSETS,
        context=net.context,
        stride=net.stride,
        **facts,
    )
    path.with_suffix(".json").write_text(card.model_dump_json(indent=1) + "\n")
    return Model(path, card)
