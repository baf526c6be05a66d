"""Checkpoints: all that a training needs to go on as if it had not stopped."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from voxome.errors import CorruptData, InvalidInput
from voxome.models.train.networks.config import FREE, NetworkConfig
from voxome.models.train.networks.unet import UNet
from voxome.storage.atomic import replacing

UNREADABLE = (pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError, EOFError, BadZipFile)
"""What torch raises for a file that is not a checkpoint."""


@dataclass
class Progress:
    """How far a training is.

    Attributes
    ----------
    step : steps that are done.
    seconds, cpu_seconds : time that they took, and CPU time of all threads.
    losses : loss of every step.
    validated : step of the last validation.
    first_scores : scores of the weights that the training started from, if they are another network's.
    best_step, best_scores : those of the best one.
    validations_without_better : validations since then.
    """

    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    validated: int = -1
    first_scores: dict[str, float] | None = None
    best_step: int = -1
    best_scores: dict[str, float] | None = None
    validations_without_better: int = 0


_PROGRESS = TypeAdapter(Progress)


@dataclass
class State:
    """Network, running average of its weights, optimizer, progress, and the weights that validated best."""

    net: UNet
    average: UNet
    optimizer: torch.optim.Optimizer
    progress: Progress
    best: dict[str, Tensor] | None = None


def save(path: Path, state: State, config: NetworkConfig, data: Mapping[str, str]) -> None:
    """Replace the checkpoint at `path` by that of the state, with the digests of all data by name."""
    content = {
        "net": state.net.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "best": state.best,
        "progress": json.dumps(asdict(state.progress)),
        "config": json.dumps(_fixed(config)),
        "data": json.dumps(dict(data)),
        "torch": str(torch.__version__),
    }
    buffer = io.BytesIO()  # torch does not say why a file cannot be written
    torch.save(content, buffer)
    with replacing(path) as partial:
        partial.write_bytes(buffer.getbuffer())


def load(path: Path, state: State, config: NetworkConfig, data: Mapping[str, str], device: torch.device) -> str:
    """Continue from the checkpoint at `path`, and return the version of torch that wrote it.

    Raises
    ------
    InvalidInput
        If it is not one, or that of another configuration or other data.
    CorruptData
        If it is damaged.
    """
    saved = read(path, device)
    changed = _changed(_saved_config(path, saved["config"]), _fixed(config))
    if changed:
        raise InvalidInput(
            f"{path} is the checkpoint of a training with another {', '.join(changed)}; continue it with the same "
            "configuration, or choose another folder"
        )
    try:
        digests = dict(json.loads(saved["data"]))
    except UNREADABLE as error:
        raise _damaged(path) from error
    changed = _changed(digests, data)
    if changed:
        raise InvalidInput(
            f"{path} is the checkpoint of a training on other voxels of {', '.join(changed)}; continue it with the "
            "same data, or choose another folder"
        )
    try:
        state.net.load_state_dict(saved["net"])
        if saved["best"] is not None:
            state.average.load_state_dict(saved["best"])  # only to see that they fit
        state.average.load_state_dict(saved["average"])
        state.optimizer.load_state_dict(saved["optimizer"])
        state.progress = _PROGRESS.validate_python(json.loads(saved["progress"]))
    except (*UNREADABLE, AttributeError) as error:
        raise _damaged(path) from error
    if len(state.progress.losses) != state.progress.step or state.progress.step > config.steps:
        raise _damaged(path)
    state.best = saved["best"]
    return str(saved["torch"])


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """Return the content of a checkpoint.

    Raises
    ------
    InvalidInput
        If it is not one.
    CorruptData
        If it is damaged.
    """
    try:
        with ZipFile(path) as archive:  # torch does not look at its checksums
            if any(one.compress_type for one in archive.infolist()) or archive.testzip() is not None:
                raise _damaged(path)
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        missing = {"net", "average", "optimizer", "best", "progress", "config", "data", "torch"} - set(content)
    except UNREADABLE as error:
        raise InvalidInput(f"{path} is not a checkpoint; use the checkpoint.pt of a training") from error
    if missing:
        raise InvalidInput(f"{path} is not a checkpoint of voxome: it has no {', '.join(sorted(missing))}")
    return content


def _damaged(path: Path) -> CorruptData:
    return CorruptData(f"the checkpoint {path} is damaged; continue from a copy of it, or choose another folder")


def _saved_config(path: Path, text: str) -> dict[str, Any]:
    """Return the settings that decided the weights, with the defaults of those that are newer."""
    try:
        return _fixed(NetworkConfig.model_validate_json(text))
    except ValidationError as error:
        raise InvalidInput(
            f"{path} was written by a version of voxome with other settings; continue it with that one, or choose "
            "another folder"
        ) from error


def _fixed(config: NetworkConfig) -> dict[str, Any]:
    """Return the settings that decide the weights."""
    return config.model_dump(mode="json", exclude=FREE)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
