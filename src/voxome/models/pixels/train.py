"""Training of random forests on labelled voxels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.extras import require
from voxome.models.pixels.card import FeatureChoice, ForestCard, write_card
from voxome.models.pixels.config import PixelTraining
from voxome.models.pixels.forest import write_trees
from voxome.models.pixels.labelled import Labelled, prepare
from voxome.models.pixels.marks import sample_marks
from voxome.models.pixels.samples import FeatureReader, Samples
from voxome.models.pixels.trees import Trees
from voxome.resources.folders import require_outside_volumes
from voxome.resources.sample import sample_percentiles
from voxome.storage.atomic import replacing

LOW_PERCENT, HIGH_PERCENT = 0.5, 99.5


def train_pixels(config: PixelTraining, out: Path, command: str = "") -> Path:
    """Train a random forest, and write ``out/NAME.json``, its card, and ``out/NAME.npz``, its trees.

    Parameters
    ----------
    config : PixelTraining
        What it is trained on.
    out : Path
        Folder for the results; created if missing.
    command : str
        The command, for the card.

    Returns
    -------
    Path
        The card.

    Raises
    ------
    InvalidInput
        If images and labels do not fit each other, a class has no label, or validation is too close to training.
    """
    require("pixels", "sklearn")
    draft = prepare(config)
    for problem in draft.problems():
        raise InvalidInput(problem)
    config, first = draft.config, draft.data[0].image
    limits = _find_range(draft.data)
    samples = _read_samples(config, draft.data, limits)
    counts = np.bincount(samples.classes, minlength=len(config.classes))
    missing = [name for name, count in zip(config.classes, counts, strict=True) if not count]
    if missing:
        raise InvalidInput(f"No voxel with data is labelled {', '.join(missing)}; expected labels of every class")
    forest = _fit(config, samples)
    scores = {"training voxels": {name: float(n) for name, n in zip(config.classes, counts, strict=True)}}
    trees = Trees.of(forest)
    if draft.validation:
        scores["validation"] = _score(config, trees, _read_samples(config, draft.validation, limits))
    archive = write_trees(trees)
    card = ForestCard(
        name=config.name,
        version=config.version,
        file=f"{config.name}.npz",
        sha256=hashlib.sha256(archive).hexdigest(),
        classes=tuple(config.classes),
        features=tuple(FeatureChoice(name=one.name, sigma_um=one.sigma_um) for one in config.list_features()),
        dimensions=config.dimensions,
        voxel_size_nm=first.voxel_size_nm or (0.0, 0.0, 0.0),
        dtype=str(first.dtype),
        intensity_range=limits,
        licence=config.licence,
        attribution=config.attribution,
        data="; ".join(f"{one.raw} {one.box or ''}".strip() for one in config.data),
        training=command,
        scores=scores,
    )
    require_outside_volumes(out).mkdir(parents=True, exist_ok=True)
    path = out / f"{config.name}.json"
    with replacing(out / card.file) as new_archive, replacing(path) as new_card:
        new_archive.write_bytes(archive)
        new_card.write_bytes(write_card(card))
    return path


def _find_range(opened: Sequence[Labelled]) -> tuple[float, float]:
    """Return the range of grey values of the boxes to train on, from samples of them without padding."""
    found = [
        sample_percentiles(one.image.source, (LOW_PERCENT, HIGH_PERCENT), one.image.uri, one.marks.box)
        for one in opened
    ]
    return min(low for low, _ in found), max(high for _, high in found)


def _read_samples(config: PixelTraining, opened: Sequence[Labelled], limits: tuple[float, float]) -> Samples:
    marks = sample_marks([one.marks for one in opened], len(config.classes), config.labels_per_class, config.seed)
    parts = [
        FeatureReader(one.image, one.tissue, config.list_features(), config.dimensions, limits).read(part)
        for one, groups in zip(opened, marks, strict=True)
        for part in groups
    ]
    if not parts:
        raise InvalidInput("Nothing is labelled in the boxes; expected voxels with a label other than 0")
    return Samples(np.concatenate([one.features for one in parts]), np.concatenate([one.classes for one in parts]))


def _fit(config: PixelTraining, samples: Samples) -> list[object]:
    """Return the trees of a forest in which all classes weigh the same."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        config.trees, min_samples_leaf=config.least_leaf, class_weight="balanced", random_state=config.seed
    )
    return list(forest.fit(samples.features, samples.classes).estimators_)


def _score(config: PixelTraining, trees: Trees, samples: Samples) -> dict[str, float]:
    """Return the share of voxels with the right class, and for each class the area under its ROC curve."""
    from sklearn.metrics import roc_auc_score

    values = np.ascontiguousarray(samples.features.T)
    shares: NDArray[np.uint8] = np.stack([trees.predict(values, index) for index in range(len(config.classes))])
    scores = {"voxels": float(len(samples.classes)), "accuracy": float((shares.argmax(0) == samples.classes).mean())}
    for index, name in enumerate(config.classes):
        own = samples.classes == index
        if own.any() and not own.all():
            scores[f"AUC {name}"] = float(roc_auc_score(own, shares[index]))
    return scores
