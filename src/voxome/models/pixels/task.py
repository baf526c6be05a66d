"""The training task ``pixels``: random forests."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from voxome.errors import VoxomeError
from voxome.models.pixels.config import PixelTraining
from voxome.models.pixels.features import reach_of
from voxome.models.pixels.labelled import Draft, Labelled, prepare
from voxome.models.pixels.train import train_pixels
from voxome.models.train.task import Call, Fact, TrainingPlan, TrainingResult


class PixelTask:
    """Training of a random forest on labelled voxels, which takes seconds to minutes and is not interrupted."""

    config = PixelTraining

    def plan(self, config: PixelTraining) -> TrainingPlan:
        """Return what the training will do, and what prevents it; labels are read."""
        try:
            draft = prepare(config)
            return TrainingPlan(_facts(draft), tuple(draft.problems()))
        except VoxomeError as error:
            return TrainingPlan({}, (str(error),))

    def train(self, config: PixelTraining, call: Call) -> TrainingResult:
        """Train, and write trees and card into ``call.out``."""
        card = train_pixels(config, call.out, call.command)
        scores = json.loads(card.read_text(encoding="utf-8"))["scores"]
        return TrainingResult(card, True, {"scores": scores}, parameter="classifier")


def _facts(draft: Draft) -> dict[str, Fact]:
    config, features = draft.config, draft.config.list_features()
    reach = reach_of(features, draft.data[0].image.voxel_size_nm or (1.0, 1.0, 1.0), config.dimensions)
    return {
        "labelled_voxels": _counts(config, draft.data),
        "validation_voxels": _counts(config, draft.validation),
        "used_of_a_class": config.labels_per_class,
        "features": len(features),
        "values_of_a_voxel": sum(one.count(config.dimensions) for one in features),
        "reach_voxels": ", ".join(map(str, reach)),
        "validation_within_reach": draft.validation_within_reach,
        "trees": config.trees,
    }


def _counts(config: PixelTraining, images: Sequence[Labelled]) -> str:
    totals = np.zeros(len(config.classes), np.int64)
    for one in images:
        for marks in one.marks.read():
            totals += np.bincount(marks.classes, minlength=len(totals))
    return ", ".join(f"{count} {name}" for name, count in zip(config.classes, totals, strict=True) if images) or "none"


PIXELS = PixelTask()
