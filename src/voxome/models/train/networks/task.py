"""Tasks that train a network: they differ in their targets only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry.notation import comma_text
from voxome.models.cards import Contrast
from voxome.models.train.networks.augment import Geometry
from voxome.models.train.networks.config import NetworkConfig
from voxome.models.train.networks.data import UNKNOWN, PatchShape, TrainingVolume, load
from voxome.models.train.networks.export import publish
from voxome.models.train.networks.loop import Setup, Training
from voxome.models.train.networks.start import start_weights
from voxome.models.train.networks.targets import Affinities, Objects, Offset
from voxome.models.train.networks.truth import (
    Region,
    are_equal,
    open_region,
    overlap,
    problems,
    require_boundaries,
    require_objects,
)
from voxome.models.train.networks.unet import LEVELS, Form, count_weights
from voxome.models.train.task import Call, Fact, TrainingPlan, TrainingResult
from voxome.resources.folders import require_outside_volumes

Shape = tuple[int, int, int]

PATCH, FLAT_PATCH = (64, 64, 64), (1, 128, 128)
"""Output of the network while it is trained, for volumes and for sections."""
_COARSE = 3.0
"""Ratio of the voxel size along z to that along y and x from which only the coarsest level mixes sections."""


@dataclass(frozen=True)
class NetworkTask:
    """Training of a network.

    Attributes
    ----------
    name : name of the task.
    targets : what its networks predict.
    """

    name: str
    targets: Objects | Affinities
    config = NetworkConfig

    def plan(self, config: NetworkConfig) -> TrainingPlan:
        """Return what the training will do, and what prevents it."""
        return _Draft(self, config).plan

    def train(self, config: NetworkConfig, call: Call) -> TrainingResult:
        """Train, or resume from ``out/checkpoint.pt``, and write ``out/NAME.onnx`` and its card ``out/NAME.json``.

        Raises
        ------
        PlanError
            If something prevents the training.
        InvalidInput
            If the checkpoint is that of another configuration or other data.
        RunFailed
            If the loss is not finite.
        """
        draft = _Draft(self, config)
        draft.plan.require()
        folder = require_outside_volumes(call.out)
        setup = draft.setup()
        folder.mkdir(parents=True, exist_ok=True)
        training = Training(setup, config, folder)
        scores = {}
        progress = training.run(call.minutes)
        net = training.best()
        if progress.first_scores is not None:
            scores["validation, before training"] = progress.first_scores
        if progress.best_scores is not None:
            scores["validation"] = progress.best_scores
        minutes = f"{progress.seconds / 60:.0f} minutes, {progress.cpu_seconds / 60:.0f} of CPU time"
        state = f"step {progress.step} of {config.steps}, {minutes}"
        facts = draft.facts() | {"scores": scores, "training": f"{call.command} ({state})".strip()}
        model = publish(net, folder, draft.targets, setup.volumes, facts)
        return TrainingResult(
            model.path.with_suffix(".json"), training.finished, {"step": progress.step, "scores": scores}
        )


class _Draft:
    """What follows from a configuration and the volumes that it names, before any voxel is read."""

    def __init__(self, task: NetworkTask, config: NetworkConfig) -> None:
        self.task, self.config = task, config
        self.targets = _targets(task, config)
        self.training = [open_region(one, instances=self.targets.instances) for one in config.data]
        self.validation = [open_region(one, instances=self.targets.instances) for one in config.validation]
        size = config.voxel_size_nm or self.training[0].raw.voxel_size_nm
        self.voxel_size_nm: tuple[float, float, float] = size or (1.0, 1.0, 1.0)
        self.form = Form(config.network.widths, config.network.units, self._flat_levels())
        out = config.patch or (FLAT_PATCH if self.form.flat_levels == LEVELS else PATCH)
        self.shape = PatchShape(out, self.form.context, self.targets.margins)

    def _flat_levels(self) -> int:
        network = self.config.network
        if network.dimensions == 2:
            return LEVELS
        if network.flat_levels is not None:
            return network.flat_levels
        z, y, x = self.voxel_size_nm
        ratio = z / max(y, x)
        return 0 if are_equal((z, max(y, x))) or ratio < 1 else 1 if ratio < _COARSE else 2

    @property
    def geometry(self) -> Geometry:
        """Symmetries of the voxels."""
        z, y, x = self.voxel_size_nm
        if self.form.flat_levels == 0 and are_equal((z, y, x)):
            return Geometry("zyx")
        return Geometry("yx" if are_equal((y, x)) else "")

    @property
    def margin(self) -> Shape:
        """Voxels beyond a labelled box that patches may show."""
        reach = self.config.augmentation.reach
        z, y, x = (c + (reach if c else 0) for c in self.form.context)
        return z, y, x

    @property
    def regions(self) -> list[Region]:
        """Regions to train on and to validate with."""
        return [*self.training, *self.validation]

    @cached_property
    def plan(self) -> TrainingPlan:
        """Facts and problems."""
        config = self.config
        wrong = list(problems(self.training, self.validation, self.margin, self.shape.out, config.voxel_size_nm))
        if any(n % s for n, s in zip(self.shape.out, self.form.stride, strict=True)):
            wrong.append(
                f"patch is {comma_text(self.shape.out)}; it must be multiples of the stride "
                f"{comma_text(self.form.stride)} of the network"
            )
        reach = [max((offset[axis] for offset in self.targets.offsets), default=0) for axis in range(3)]
        if any(r > c for r, c in zip(reach, self.shape.context, strict=True)):
            wrong.append(
                f"offsets reach {comma_text(reach)} voxels, but the context of the network is only "
                f"{comma_text(self.shape.context)}: set network.units to more, or offsets to shorter ones"
            )
        wrong += _device_problems(config.device)
        if not self.targets.offsets and any(one.truth.zero_is_boundary for one in self.regions):
            wrong.append(f"zero_is_boundary is for affinities; of {self.task.name}, label 0 is background or unknown")
        facts: dict[str, Fact] = {
            "task": self.task.name,
            "channels": "; ".join(self.targets.channels),
            "weights": count_weights(self.form, len(self.targets.channels)),
            "voxel_size_nm": self.voxel_size_nm,
            "context": comma_text(self.form.context),
            "stride": comma_text(self.form.stride),
            "patch": comma_text(self.shape.out),
            "training_boxes": "; ".join(_describe(one) for one in self.training),
            "training_voxels": sum(one.box.size for one in self.training),
            "validation_boxes": "; ".join(_describe(one) for one in self.validation),
            "validation_voxels": sum(one.box.size for one in self.validation),
            "gap": comma_text(self.margin),
            "validation_voxels_in_patches": overlap(self.training, self.validation, self.margin),
            "patches": config.steps * config.batch,
            "memory_bytes": sum(4 * one.readable(self.margin).size + 8 * one.box.size for one in self.regions),
        }
        return TrainingPlan(facts, tuple(wrong))

    def setup(self) -> Setup:
        """Read the volumes and the weights to start from."""
        config = self.config
        weights = None
        if config.start:
            channels = len(self.targets.channels)
            weights = start_weights(config.start, channels, self.form, new_head=config.new_head)
        shares = np.array([one.share for one in config.data])
        volumes = [self._load(one) for one in self.training]
        if not any(len(one.objects) for one in volumes):
            raise InvalidInput("The labels to train on have no object, only background; choose other boxes or labels")
        if not self.targets.offsets and not any(_has_outside(one.labels) for one in volumes):
            raise InvalidInput(
                "All voxels of the labels to train on that are annotated are in one object, so nothing shows what the "
                "background is; label some of it, or choose other boxes"
            )
        require_boundaries([one.labels[0, 0].numpy() for one in volumes], self.targets.offsets, UNKNOWN)
        validation = [self._load(one) for one in self.validation]
        for region, one in zip(self.validation, validation, strict=True):
            if any(one.raw_sha256 == trained.raw_sha256 for trained in volumes):
                raise InvalidInput(
                    f"The image to validate with, {region.truth.raw} in {region.box}, has the same voxels as one to "
                    "train on; validate with others"
                )
        return Setup(
            volumes=volumes,
            validation=validation,
            shares=tuple((shares / shares.sum()).tolist()),
            targets=self.targets,
            form=self.form,
            shape=self.shape,
            geometry=self.geometry,
            weights=weights,
        )

    def _load(self, region: Region) -> TrainingVolume:
        labels: NDArray[Any] = region.labels.source.read(region.box)
        require_objects(region, labels)
        encoded = self.targets.encode(labels, region.truth)
        if not (encoded != UNKNOWN).any():
            raise InvalidInput(f"{region.truth.labels} has no annotated voxel in {region.box}; choose another box")
        return load(region, encoded, self.margin)

    def facts(self) -> dict[str, Any]:
        """Return what the card says of the data."""
        config, first = self.config, self.training[0]
        grey = first.raw.source.read(first.box)
        low, high = np.percentile(grey, (1, 99))
        return {
            "name": config.card.name,
            "version": config.card.version,
            "task": self.task.name,
            "licence": config.card.licence,
            "attribution": config.card.attribution,
            "data": config.card.data or "; ".join(_describe(one) for one in self.training),
            "voxel_size_nm": self.voxel_size_nm,
            "dtype": str(first.raw.dtype),
            "contrast": Contrast(
                mean=float(grey.mean()), std=float(grey.std()), percentile_1=float(low), percentile_99=float(high)
            ),
            "reproducible": torch.device(config.device).type == "cpu",
        }


def _has_outside(labels: torch.Tensor) -> bool:
    """Return whether encoded labels have background, or borders between objects."""
    return bool((labels == 0).any()) or int(labels.max()) > 1


def _device_problems(device: str) -> Iterator[str]:
    """Yield why torch cannot use a device."""
    try:
        torch.empty(1, device=device).item()  # which a device without voxels, such as meta, cannot
    except (RuntimeError, AssertionError) as error:
        yield f"torch cannot use the device {device!r}: {str(error).splitlines()[0]}; set device to cpu, or cuda:0"


def _describe(region: Region) -> str:
    return f"{Path(region.truth.raw).name if '?' not in region.truth.raw else region.truth.raw} {region.box}"


def _targets(task: NetworkTask, config: NetworkConfig) -> Objects | Affinities:
    """Return the targets of a task, with the offsets of the configuration or without those along z in 2D."""
    targets, dimensions = task.targets, config.network.dimensions
    if not isinstance(targets, Affinities):
        if config.offsets is not None:
            raise InvalidInput(f"offsets are those of affinities; the task {task.name!r} has none")
        return replace(targets, dimensions=dimensions)
    offsets = targets.offsets if config.offsets is None else config.offsets
    if dimensions == 2:
        offsets = tuple(one for one in offsets if not one[0])
    _require_forward(offsets)
    return replace(targets, offsets=offsets, dimensions=dimensions)


def _require_forward(offsets: Sequence[Offset]) -> None:
    if not offsets or any(min(one) < 0 or not any(one) for one in offsets):
        raise InvalidInput(f"offsets are {list(offsets)}; expected at least one, of numbers ≥ 0 that are not all 0")
