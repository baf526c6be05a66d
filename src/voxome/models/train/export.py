"""A trained network as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from voxome.models.train.network import AffinityNet


class _Probabilities(nn.Module):
    def __init__(self, net: AffinityNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(self.net(raw))


def export(net: AffinityNet, path: Path, tile: int = 32) -> None:
    """Write `net` followed by a sigmoid; raw (1, 1, z, y, x) in, affinities (1, channels, z, y, x) out, any multiple of the stride."""
    size = tile + 2 * net.context
    free = {2: "z", 3: "y", 4: "x"}
    partial = path.with_suffix(".part")
    torch.onnx.export(
        _Probabilities(net).eval(),
        (torch.zeros(1, 1, size, size, size),),
        str(partial),
        input_names=["raw"],
        output_names=["affinities"],
        dynamic_axes={"raw": free, "affinities": {2: "oz", 3: "oy", 4: "ox"}},
        opset_version=17,
        dynamo=False,
    )
    partial.replace(path)
