"""Training of random forests on labelled voxels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.extras import require
from voxome.geometry import Box
from voxome.models.pixels.card import FeatureChoice, ForestCard, write_card
from voxome.models.pixels.config import LabelledImage, PixelTraining
from voxome.models.pixels.features import UM, reach_of
from voxome.models.pixels.forest import write_trees
from voxome.models.pixels.ilastik import IlastikProject
from voxome.models.pixels.marks import LabelMarks, MarkSource, sample_marks
from voxome.models.pixels.points import PointMarks
from voxome.models.pixels.samples import FeatureReader, Samples
from voxome.models.pixels.trees import Trees
from voxome.resources.folders import require_outside_volumes
from voxome.resources.sample import sample_percentiles
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume

LOW_PERCENT, HIGH_PERCENT = 0.5, 99.5
_Opened = tuple[Volume, Volume | None, MarkSource]


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
    project = None if config.project is None else IlastikProject.read(config.project)
    if project is not None:
        config = _with_project(config, project)
    opened = [_open(one, config.classes, project) for one in config.data]
    checked = [_open(one, config.classes, project) for one in config.validation]
    first = opened[0][0]
    if any(
        (image.voxel_size_nm, image.dtype) != (first.voxel_size_nm, first.dtype) for image, _, _ in opened + checked
    ):
        raise InvalidInput(
            "The images have different voxel sizes or dtypes; expected the same for training and validation"
        )
    _require_apart(config, opened, checked)
    limits = _find_range(opened)
    samples = _read_samples(config, opened, limits)
    counts = np.bincount(samples.classes, minlength=len(config.classes))
    missing = [name for name, count in zip(config.classes, counts, strict=True) if not count]
    if missing:
        raise InvalidInput(f"No voxel with data is labelled {', '.join(missing)}; expected labels of every class")
    forest = _fit(config, samples)
    scores = {"training voxels": {name: float(n) for name, n in zip(config.classes, counts, strict=True)}}
    trees = Trees.of(forest)
    if checked:
        scores["validation"] = _score(config, trees, _read_samples(config, checked, limits))
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
        data="; ".join(f"{one.image} {one.box or ''}".strip() for one in config.data),
        training=command,
        scores=scores,
    )
    require_outside_volumes(out).mkdir(parents=True, exist_ok=True)
    (out / card.file).write_bytes(archive)
    path = out / f"{config.name}.json"
    path.write_bytes(write_card(card))
    return path


def _with_project(config: PixelTraining, project: IlastikProject) -> PixelTraining:
    """Return a configuration with what it leaves to the project."""
    found: dict[str, object] = {}
    if not config.classes:
        found["classes"] = {name: label for label, name in enumerate(project.classes, 1)}
    if not config.sigmas_um and not config.choice:
        size = _open_image(config.data[0].image).voxel_size_nm or (UM, UM, UM)
        found["choice"], found["dimensions"] = project.choose_features(size)
    return PixelTraining.model_validate({**config.model_dump(exclude_unset=True), **found})


def _open_image(uri: str) -> Volume:
    image = as_volume(uri)
    if image.ndim != 3 or image.voxel_size_nm is None:
        raise InvalidInput(
            f"{uri} has axes {'/'.join(image.axes)} and a voxel size of {image.voxel_size_nm}; expected an image "
            "along z, y and x with a voxel size (?voxel_size=Z,Y,X, in nm)"
        )
    return image


def _open(one: LabelledImage, classes: dict[str, int], project: IlastikProject | None) -> _Opened:
    """Open an image and its labels, which have to fit each other."""
    image = _open_image(one.image)
    labels = None if one.labels is None else _open_labels(one.labels, image)
    common = image.domain if labels is None else image.domain & labels.domain
    box = common if one.box is None else Box.of(one.box, common)
    if box.empty or box not in common:
        raise InvalidInput(f"The box {box} is not inside {common}, where {one.image} can be labelled")
    tissue = None if one.tissue is None else as_volume(one.tissue)
    if tissue is not None and image.domain not in tissue.domain:
        raise InvalidInput(f"{one.tissue} spans {tissue.domain}; expected all of {image.domain}")
    if project is not None and one.lane is not None:
        return image, tissue, project.read_marks(one.lane, image.domain, box, classes)
    if labels is None:
        return image, tissue, PointMarks.of(str(one.points), image.spec, box, classes)
    return image, tissue, LabelMarks(labels, box, {value: n for n, value in enumerate(classes.values())})


def _open_labels(uri: str, image: Volume) -> Volume:
    labels = as_volume(uri)
    if labels.ndim != 3 or labels.dtype.kind not in "iub":
        raise InvalidInput(
            f"{uri} has axes {'/'.join(labels.axes)} and dtype {labels.dtype}; expected integers (z, y, x)"
        )
    if labels.voxel_size_nm is not None and not np.allclose(labels.voxel_size_nm, image.voxel_size_nm or 0, rtol=1e-3):
        raise InvalidInput(
            f"{uri} has voxels of {labels.voxel_size_nm} nm, the image {image.uri} of {image.voxel_size_nm} nm; "
            "expected the same size, so choose another level"
        )
    return labels


def _require_apart(config: PixelTraining, opened: Sequence[_Opened], checked: Sequence[_Opened]) -> None:
    """Check that no labelled voxel of the validation is within the reach of the features of a training voxel."""
    for image, _, marks in checked:
        for other, _, trained in opened:
            if image.uri != other.uri or image.voxel_size_nm is None:
                continue
            reach = reach_of(config.list_features(), image.voxel_size_nm, config.dimensions)
            shared = trained.box.grow([2 * size for size in reach]) & marks.box
            if not shared.empty:
                raise InvalidInput(
                    f"{shared.size:,} voxels of the validation box {marks.box} are too close to the training box "
                    f"{trained.box}: features reach {reach} voxels (z, y, x); leave twice that between the boxes"
                )


def _find_range(opened: Sequence[_Opened]) -> tuple[float, float]:
    """Return the range of grey values of the boxes to train on, from samples of them without padding."""
    found = [
        sample_percentiles(image.source, (LOW_PERCENT, HIGH_PERCENT), image.uri, marks.box)
        for image, _, marks in opened
    ]
    return min(low for low, _ in found), max(high for _, high in found)


def _read_samples(config: PixelTraining, opened: Sequence[_Opened], limits: tuple[float, float]) -> Samples:
    marks = sample_marks([one for _, _, one in opened], len(config.classes), config.labels_per_class, config.seed)
    parts = [
        FeatureReader(image, tissue, config.list_features(), config.dimensions, limits).read(part)
        for (image, tissue, _), groups in zip(opened, marks, strict=True)
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
