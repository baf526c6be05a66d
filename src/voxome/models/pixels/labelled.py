"""Labelled images of a training, opened and compared with each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from voxome.contracts.placement import placement_problem
from voxome.contracts.spec import VOXEL_SIZE_ADVICE
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.models.pixels.config import LabelledImage, PixelTraining
from voxome.models.pixels.features import UM, Shape, reach_of
from voxome.models.pixels.ilastik import IlastikProject
from voxome.models.pixels.marks import LabelMarks, MarkSource
from voxome.models.pixels.points import PointMarks
from voxome.models.train.same_data import are_same_data, have_same_voxels
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume


@dataclass(frozen=True)
class Labelled:
    """An image, the map of its tissue, if there is one, and its labelled voxels."""

    image: Volume
    tissue: Volume | None
    marks: MarkSource


@dataclass(frozen=True)
class Draft:
    """A configuration with what it leaves to an ilastik project, and its images."""

    config: PixelTraining
    data: tuple[Labelled, ...]
    validation: tuple[Labelled, ...]

    @property
    def validation_within_reach(self) -> int:
        """Voxels of the validation boxes within twice the reach of the features of the boxes to train on."""
        return sum(shared.size for _, _, shared in self._near())

    def problems(self) -> Iterator[str]:
        """Yield why the validation is not one, a sentence for every pair of images."""
        for trained, checked in itertools.product(self.data, self.validation):
            one, other = trained.image, checked.image
            if are_same_data(one, other) and not have_same_voxels(one, other):
                yield f"{one.uri} and {other.uri} are the same data: validate with the same level and options"
        for trained, checked, shared in self._near():
            yield (
                f"{shared.size:,} voxels of the validation box {checked.marks.box} are too close to the training box "
                f"{trained.marks.box}: features reach {self._reach(trained.image)} voxels (z, y, x); leave twice that "
                "between the boxes"
            )

    def _near(self) -> Iterator[tuple[Labelled, Labelled, Box]]:
        """Yield images with the same voxels, and the part of the validation that is too close to the training."""
        for trained, checked in itertools.product(self.data, self.validation):
            if are_same_data(trained.image, checked.image):
                near = trained.marks.box.grow([2 * size for size in self._reach(trained.image)]) & checked.marks.box
                if not near.empty:
                    yield trained, checked, near

    def _reach(self, image: Volume) -> Shape:
        return reach_of(self.config.list_features(), image.voxel_size_nm or (UM, UM, UM), self.config.dimensions)


def prepare(config: PixelTraining) -> Draft:
    """Open the images and labels of a training.

    Raises
    ------
    InvalidInput
        If images and labels do not fit each other.
    """
    project = None if config.project is None else IlastikProject.read(config.project)
    if project is not None:
        config = _with_project(config, project)
    data = tuple(_open(one, config.classes, project) for one in config.data)
    validation = tuple(_open(one, config.classes, project) for one in config.validation)
    kinds = {(one.image.voxel_size_nm, str(one.image.dtype)) for one in data + validation}
    if len(kinds) > 1:
        shown = ", ".join(f"{dtype} in voxels of {size} nm" for size, dtype in sorted(kinds, key=str))
        raise InvalidInput(f"The images are {shown}; expected one dtype and voxel size for training and validation")
    return Draft(config, data, validation)


def _with_project(config: PixelTraining, project: IlastikProject) -> PixelTraining:
    """Return a configuration with what it leaves to the project."""
    found: dict[str, object] = {}
    if not config.classes:
        found["classes"] = {name: label for label, name in enumerate(project.classes, 1)}
    if not config.sigmas_um and not config.choice:
        size = _open_image(config.data[0].raw).voxel_size_nm or (UM, UM, UM)
        found["choice"], found["dimensions"] = project.choose_features(size)
    return PixelTraining.model_validate({**config.model_dump(exclude_unset=True), **found})


def _open_image(uri: str) -> Volume:
    image = as_volume(uri)
    if image.ndim != 3 or image.voxel_size_nm is None:
        raise InvalidInput(
            f"{uri} has axes {'/'.join(image.axes)} and a voxel size of {image.voxel_size_nm}; expected an image "
            f"along z, y and x with a voxel size: {VOXEL_SIZE_ADVICE}"
        )
    return image


def _open(one: LabelledImage, classes: dict[str, int], project: IlastikProject | None) -> Labelled:
    """Open an image and its labels, which have to fit each other."""
    image = _open_image(one.raw)
    labels = None if one.labels is None else _open_labels(one.labels, image)
    common = image.domain if labels is None else image.domain & labels.domain
    if labels is not None and one.box is None and common not in (image.domain, labels.domain):
        raise InvalidInput(
            f"{one.raw} spans {image.domain} and {one.labels} spans {labels.domain}, so that neither has all voxels "
            "of the other; set box to the voxels that are labelled"
        )
    box = common if one.box is None else Box.of(one.box, common)
    if box.empty or box not in common:
        raise InvalidInput(f"The box {box} is not inside {common}, where {one.raw} can be labelled")
    tissue = None if one.tissue is None else as_volume(one.tissue)
    if tissue is not None and image.domain not in tissue.domain:
        raise InvalidInput(f"{one.tissue} spans {tissue.domain}; expected all of {image.domain}")
    if tissue is not None and (problem := placement_problem(one.raw, image.spec, str(one.tissue), tissue.spec)):
        raise InvalidInput(problem)
    if project is not None and one.lane is not None:
        return Labelled(image, tissue, project.read_marks(one.lane, image.domain, box, classes))
    if isinstance(one.points, dict):
        return Labelled(image, tissue, PointMarks.drawn(one.points, image.spec, box, classes))
    if labels is None:
        return Labelled(image, tissue, PointMarks.of(str(one.points), image.spec, box, classes))
    return Labelled(
        image,
        tissue,
        LabelMarks(labels, box, {value: n for n, value in enumerate(classes.values())}, one.kind == "dense"),
    )


def _open_labels(uri: str, image: Volume) -> Volume:
    labels = as_volume(uri)
    if labels.ndim != 3 or labels.dtype.kind not in "iub":
        raise InvalidInput(
            f"{uri} has axes {'/'.join(labels.axes)} and dtype {labels.dtype}; expected integers (z, y, x)"
        )
    if problem := placement_problem(str(image.uri), image.spec, uri, labels.spec):
        raise InvalidInput(problem)
    return labels
