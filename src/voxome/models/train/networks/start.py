"""Weights to start from: those of a shipped model, of any card, or of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from voxome.errors import InvalidInput
from voxome.models.cards import find
from voxome.models.train.networks import checkpoint
from voxome.models.train.networks.unet import Form, UNet

_PREFIX = "net."
"""Of the weights in ONNX files, which have the network and a sigmoid."""
_HEAD = ("head.weight", "head.bias")


def start_weights(start: str, channels: int, form: Form, *, new_head: bool) -> dict[str, Tensor]:
    """Return the weights of another network of the same form.

    Parameters
    ----------
    start : str
        Name of a model, path of a card, or path of a checkpoint (``.pt``), whose running average is taken.
    channels, form : int, Form
        Those of the network that takes the weights.
    new_head : bool
        Whether the last layer keeps its random weights.

    Raises
    ------
    InvalidInput
        If the network has another form.
    """
    given = _read_checkpoint(Path(start)) if start.endswith(".pt") else _read_model(start)
    if new_head:
        given = {name: value for name, value in given.items() if name not in _HEAD}
    with torch.device("meta"):
        needed = UNet(channels, form).state_dict()
    if new_head:
        needed = {name: value for name, value in needed.items() if name not in _HEAD}
    if _shapes(given) != _shapes(needed):
        raise InvalidInput(
            f"The weights of {start} are those of {_describe(given)}, and this one is {_describe(needed)}: set network "
            "to the form of that model, and new_head = true for other channels"
        )
    return given


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(one.shape) for name, one in weights.items()}


def _describe(weights: Mapping[str, Tensor]) -> str:
    """Return the form of a network as its configuration states it."""
    try:
        full, half, quarter = (weights[f"{name}.weight"].shape[0] for name in ("stem", "down1", "down2"))
        half_up = weights["up2.weight"].shape[1]
        flat = sum(weights[f"{name}.weight"].shape[2] == 1 for name in ("stem", "dec1"))
    except (KeyError, IndexError):
        return f"another kind of network ({len(weights)} arrays)"
    units = sum(name.startswith("enc2.") and name.endswith(".first.weight") for name in weights)
    channels = f", channels = {len(weights['head.bias'])}" if "head.bias" in weights else ""
    return f"widths = {[full, half, half_up, quarter]}, units = {units}, flat_levels = {flat}{channels}"


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InvalidInput(f"The checkpoint {path} does not exist; use the checkpoint.pt of another training")
    content = checkpoint.read(path, torch.device("cpu"))
    return dict(content["best"] or content["average"])


def _read_model(name: str) -> dict[str, Tensor]:
    model = find(name)
    weights = {
        one.name.removeprefix(_PREFIX): torch.from_numpy(np.array(numpy_helper.to_array(one)))
        for one in onnx.load(model.path).graph.initializer
    }
    if "head.weight" not in weights:
        raise InvalidInput(f"The model {name} was not trained by voxome, so its weights cannot be trained further")
    return weights
