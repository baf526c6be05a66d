"""Weights to start from: those of a shipped model, of any card, or of a checkpoint."""

from __future__ import annotations

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
        If a weight of either network is missing in the other, or has another shape.
    """
    given = _read_checkpoint(Path(start)) if start.endswith(".pt") else _read_model(start)
    if new_head:
        given = {name: value for name, value in given.items() if name not in _HEAD}
    with torch.device("meta"):
        needed = UNet(channels, form).state_dict()
    if new_head:
        needed = {name: value for name, value in needed.items() if name not in _HEAD}
    problems = [f"{name} is missing" for name in sorted(needed.keys() - given.keys())]
    problems += [f"{name} has no place" for name in sorted(given.keys() - needed.keys())]
    problems += [
        f"{name} has shape {tuple(given[name].shape)}, not {tuple(needed[name].shape)}"
        for name in sorted(needed.keys() & given.keys())
        if given[name].shape != needed[name].shape
    ]
    if problems:
        raise InvalidInput(
            f"The weights of {start} do not fit the network: {'; '.join(problems)}. Set network to the form of that "
            "model, and new_head=true for other channels"
        )
    return given


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
