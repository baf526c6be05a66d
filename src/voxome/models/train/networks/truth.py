"""Volumes with truth: opened, checked, and compared with the part that validates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.placement import placement_problem
from voxome.errors import InvalidInput
from voxome.geometry.box import Box
from voxome.geometry.notation import comma_text
from voxome.models.train.networks.config import Truth
from voxome.models.train.same_data import are_same_data, have_same_voxels
from voxome.resources.labels import require_labels
from voxome.resources.volume import Volume
from voxome.resources.volume_like import as_volume

VOXEL_SIZE_TOLERANCE = 0.2
"""Maximum relative difference between voxel sizes that count as equal."""

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """Labelled box of an image, which is open."""

    truth: Truth
    raw: Volume
    labels: Volume
    box: Box

    def readable(self, margin: Shape) -> Box:
        """Return the voxels of the image that patches may show."""
        return self.box.grow(margin) & self.raw.domain


def open_region(truth: Truth, *, instances: bool) -> Region:
    """Open image and labels.

    Parameters
    ----------
    truth : Truth
        Their URIs, and the box.
    instances : bool
        Whether labels must be those of objects; a mask of one byte will do otherwise.

    Raises
    ------
    InvalidInput
        If the labels are an image, or the image is labels, or the box is not inside both.
    """
    image = as_volume(truth.raw)
    labels = require_labels(truth.labels) if instances else _require_mask(truth.labels)
    if image.ndim != 3 or image.spec.kind == "labels":
        raise InvalidInput(
            f"{truth.raw} has axes {'/'.join(image.axes)} and is {image.spec.kind} data of {image.dtype}; expected "
            "an image along z, y and x"
        )
    common = image.domain & labels.domain
    if not truth.box and common not in (image.domain, labels.domain):
        raise InvalidInput(
            f"{truth.raw} spans {image.domain} and {truth.labels} spans {labels.domain}, so that neither has all "
            "voxels of the other; set box to the voxels that are labelled"
        )
    box = Box.of(truth.box, common) if truth.box else common
    if box.empty or box not in common:
        raise InvalidInput(f"The box {box} is not inside {common}, which {truth.raw} and {truth.labels} share")
    return Region(truth, image, labels, box)


def _require_mask(uri: str) -> Volume:
    volume = as_volume(uri)
    if volume.dtype.kind not in "biu" or volume.ndim != 3 or volume.spec.kind == "probability":
        raise InvalidInput(
            f"{uri} is {volume.spec.kind} data of {volume.dtype} with axes {'/'.join(volume.axes)}; expected labels or "
            "a mask, of integers along z, y and x"
        )
    return volume


def require_objects(region: Region, labels: NDArray[Any]) -> None:
    """Refuse grey values in place of labels, as when the two are swapped.

    Raises
    ------
    InvalidInput
        If the array is not of kind labels, and most of its voxels differ from the next one along x.
    """
    if region.labels.spec.kind == "labels" or labels.shape[2] < 2:
        return
    equal = float((labels[..., 1:] == labels[..., :-1]).mean())
    if equal < 0.5:
        raise InvalidInput(
            f"{region.truth.labels} looks like grey values, as only {equal:.0%} of its voxels equal the next one along "
            "x; expected labels or a mask. If raw and labels are swapped, swap them; if these are labels, copy them "
            "with `voxome put … --kind labels`"
        )


def require_boundaries(labels: Sequence[NDArray[Any]], offsets: Sequence[Shape], unknown: int) -> None:
    """Refuse labels that have no example of a boundary at an offset of affinities.

    Parameters
    ----------
    labels : sequence of (z, y, x) arrays
        Encoded labels of all volumes, `unknown` where they are not annotated.
    offsets : sequence of (z, y, x)
        Offsets of the affinities, at least 0.

    Raises
    ------
    InvalidInput
        If all pairs of voxels are inside of one object: the network would learn that there is no boundary.
    """
    missing = [offset for offset in offsets if not any(_is_crossed(one, offset, unknown) for one in labels)]
    if missing:
        shares = ", ".join(f"{float((one == unknown).mean()):.0%}" for one in labels)
        raise InvalidInput(
            f"No annotated voxels that are {' or '.join(map(comma_text, missing))} apart are in different objects, so "
            f"nothing shows what a boundary is; {shares} of the voxels are not annotated, as those with label 0. Set "
            "zero_is_boundary = true if these are the boundaries between objects, or choose longer offsets"
        )


def _is_crossed(labels: NDArray[Any], offset: Shape, unknown: int) -> bool:
    shape = labels.shape
    here = labels[tuple(slice(0, max(n - d, 0)) for n, d in zip(shape, offset, strict=True))]
    there = labels[tuple(slice(d, None) for d in offset)]
    if not here.size:
        return False
    known = (here != unknown) & (there != unknown)
    return bool((known & ((here != there) | (here == 0))).any())


def overlap(training: Iterable[Region], validation: Sequence[Region], margin: Shape) -> int:
    """Return how many voxels of the validation part training patches may show.

    Parameters
    ----------
    training, validation : regions
        The two parts.
    margin : (z, y, x)
        Voxels beyond a labelled box that patches may show: context of the network and reach of the augmentation.
    """
    return sum(
        (one.readable(margin) & other.box).size
        for one in training
        for other in validation
        if are_same_data(one.raw, other.raw)
    )


def problems(
    training: Sequence[Region],
    validation: Sequence[Region],
    margin: Shape,
    patch: Shape,
    voxel_size_nm: tuple[float, float, float] | None,
) -> Iterator[str]:
    """Yield what is wrong with the regions of a training, one sentence each."""
    everything = [*training, *validation]
    first = everything[0].raw
    for one in everything:
        if one.raw.dtype != first.dtype:
            yield f"{one.truth.raw} is {one.raw.dtype}, but {everything[0].truth.raw} is {first.dtype}: convert one"
        if voxel_size_nm is None and one.raw.voxel_size_nm is None:
            yield f"{one.truth.raw} has no voxel size, which the card states: set voxel_size_nm to z, y and x in nm"
        elif voxel_size_nm is None and not _are_alike(first.voxel_size_nm, one.raw.voxel_size_nm):
            yield (
                f"{one.truth.raw} has voxels of {comma_text(one.raw.voxel_size_nm or ())} nm, but "
                f"{everything[0].truth.raw} has {comma_text(first.voxel_size_nm or ())} nm: choose levels that agree"
            )
        if problem := placement_problem(one.truth.raw, one.raw.spec, one.truth.labels, one.labels.spec):
            yield problem
    for one in training:
        if any(2 * n < p for n, p in zip(one.box.shape, patch, strict=True)):
            yield (
                f"The box {one.box} of {one.truth.raw} is too small for patches of {comma_text(patch)} voxels; it "
                "needs at least half of that along every axis: set patch to less"
            )
        for other in validation:
            if are_same_data(one.raw, other.raw) and not have_same_voxels(one.raw, other.raw):
                yield (
                    f"{one.truth.raw} and {other.truth.raw} are the same data: validate with the same level and options"
                )
    count = overlap(training, validation, margin)
    if count:
        yield (
            f"Training would show {count} voxels of the validation part: leave a gap of at least {comma_text(margin)} "
            "voxels (z, y, x) along one axis, which are the context of the network and the reach of the augmentation"
        )


def _are_alike(first: Sequence[float] | None, second: Sequence[float] | None) -> bool:
    if first is None or second is None:
        return first is second
    return all(math.isclose(a, b, rel_tol=VOXEL_SIZE_TOLERANCE) for a, b in zip(first, second, strict=True))


def are_equal(lengths: Sequence[float]) -> bool:
    """Whether lengths count as equal, as the edges of a cubic voxel."""
    return bool(np.max(lengths) <= (1 + VOXEL_SIZE_TOLERANCE) * np.min(lengths))
