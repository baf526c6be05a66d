"""Configuration of the training of a random forest."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from annotated_types import Ge, Gt, Interval, Len
from pydantic import Field, FiniteFloat, model_validator

from voxome.models.pixels.card import FeatureChoice
from voxome.models.pixels.features import NAMES, Feature, FeatureName
from voxome.models.train.documents import Config, FileName

LABELS_PER_CLASS = 50_000


class LabelledImage(Config):
    """An image, and where it is labelled.

    Attributes
    ----------
    raw : URI of grey values (z, y, x).
    labels : URI of integers (z, y, x).
    kind : ``sparse`` labels are 0 where nothing is labelled; of ``dense`` ones, 0 is a label like others.
    lane : number of the image in the ilastik project of the training, from 0, instead of `labels`.
    points : labelled points instead: a table (``z_nm, y_nm, x_nm, class``), CSV or Parquet, or the URI of a collection
        of annotations for each class, as they are drawn in the viewer.
    box : voxels whose labels are used; all that image and labels share if None, or the image.
    tissue : URI of a tissue map, 0 where there are no data, if there are voxels without.
    """

    raw: str
    labels: str | None = None
    kind: Literal["dense", "sparse"] = "sparse"
    points: str | dict[str, str] | None = None
    lane: Annotated[int, Ge(0)] | None = None
    box: str | None = None
    tissue: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if [self.labels, self.points, self.lane].count(None) != 2:
            raise ValueError("expected one of labels, points and lane")
        return self


class PixelTraining(Config):
    """What a forest is trained on, and how.

    Attributes
    ----------
    name : name of the classifier and of its files.
    project : ilastik project (.ilp), for its labels (`lane`), names of classes and features, where these are not set.
    classes : name of each class → its label.
    data : labelled images.
    validation : labelled images that are not trained on, for scores; their boxes keep a distance from those of `data`.
    sigmas_um : scales in micrometres.
    features : features at each scale.
    choice : features and their scales, instead of `sigmas_um` and `features`.
    dimensions : 2 to classify sections independently of each other.
    trees, least_leaf : number of trees, and least number of voxels of a leaf.
    labels_per_class : voxels of a class that are used; if there are more, the seed chooses.
    seed : random seed.
    version, licence, attribution : entries of the card.
    """

    name: FileName = "pixels"
    project: str | None = None
    classes: dict[str, Annotated[int, Ge(0)]] = Field(default_factory=dict)
    data: Annotated[tuple[LabelledImage, ...], Len(1)]
    validation: tuple[LabelledImage, ...] = ()
    sigmas_um: tuple[Annotated[FiniteFloat, Gt(0)], ...] = ()
    features: Annotated[tuple[FeatureName, ...], Len(1)] = NAMES  # type: ignore[assignment]
    choice: tuple[FeatureChoice, ...] = ()
    dimensions: Literal[2, 3] = 3
    trees: Annotated[int, Interval(ge=1, le=100_000)] = 100
    least_leaf: Annotated[int, Interval(ge=1, lt=2**31)] = 1
    labels_per_class: Annotated[int, Ge(1)] = LABELS_PER_CLASS
    seed: Annotated[int, Interval(ge=0, lt=2**32)] = 1
    version: str = "1"
    licence: str = "unknown"
    attribution: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.sigmas_um and self.choice) or not (self.sigmas_um or self.choice or self.project):
            raise ValueError("expected sigmas_um, for all features at these scales, or choice, but not both")
        if len(self.classes) < 2 and not self.project:
            raise ValueError(f"expected at least 2 classes, not {len(self.classes)}")
        if self.project is None and any(one.lane is not None for one in (*self.data, *self.validation)):
            raise ValueError("lane is a number of an image of an ilastik project, but project is not set")
        if len(set(self.classes.values())) < len(self.classes):
            raise ValueError("two classes have the same label; expected different ones")
        sparse = any(one.kind == "sparse" for one in (*self.data, *self.validation))
        if 0 in self.classes.values() and sparse:
            raise ValueError(
                'the label 0 is a class only of dense labels: set kind = "dense", or give it another label'
            )
        return self

    def list_features(self) -> list[Feature]:
        """Return the features, by scale and name, each once."""
        chosen = [Feature(one.sigma_um, one.name) for one in self.choice]
        return sorted({*chosen, *(Feature(sigma, name) for sigma in self.sigmas_um for name in self.features)})
