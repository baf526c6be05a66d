"""Training volumes in memory, and patches of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from voxome.errors import InvalidInput
from voxome.geometry.box import Box
from voxome.models.train.networks import augment
from voxome.models.train.networks.augment import Geometry
from voxome.models.train.networks.config import Augmentation
from voxome.models.train.networks.truth import Region

UNKNOWN = -1
"""Label of voxels that are not annotated; they do not contribute to the loss."""

Shape = tuple[int, int, int]
Margins = tuple[Shape, Shape]
"""Voxels (z, y, x) beyond a patch, at the low and at the high end of every axis."""


@dataclass(frozen=True)
class TrainingVolume:
    """Image and labels with the same voxel size; the image covers at least the labels.

    Attributes
    ----------
    raw : (1, 1, z, y, x) tensor of float32
        Normalized image.
    labels : (1, 1, z, y, x) tensor of float32
        Consecutive integers, as grid sampling takes floats; 0 is background, `UNKNOWN` is not annotated.
    start : (z, y, x)
        Position in `raw` of the first voxel of `labels`.
    mean, std : float
        Grey-value statistics used for normalization.
    objects, known : arrays of int64
        Positions in the flat labels of all voxels of objects, and of all that are annotated if not all are.
    raw_sha256, labels_sha256 : str
        Digests of the image as it was read, and of the labels.
    """

    raw: Tensor
    labels: Tensor
    start: Shape
    mean: float
    std: float
    objects: NDArray[np.int64]
    known: NDArray[np.int64] | None
    raw_sha256: str
    labels_sha256: str


@dataclass(frozen=True, slots=True)
class PatchShape:
    """Form of patches.

    Attributes
    ----------
    out : voxels (z, y, x) that the network predicts, in the middle of the patch.
    context : image voxels that the network needs on each side of them.
    margins : voxels of labels beyond `out`, which targets are made of.
    """

    out: Shape
    context: Shape
    margins: Margins


@dataclass(frozen=True)
class Patch:
    """Augmented image and labels of one patch.

    Attributes
    ----------
    raw : (z, y, x) tensor of float32
        Image: ``out + 2 * context`` voxels.
    labels : (z, y, x) tensor of float32
        Labels of the centre, with the margins; `UNKNOWN` outside the ground truth.
    """

    raw: Tensor
    labels: Tensor


def generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    """Return the source of position and augmentation of one sample, whichever thread prepares it."""
    return np.random.default_rng((seed, epoch, number))


def from_arrays(
    raw: NDArray[Any], labels: NDArray[np.integer[Any]], start: Shape = (0, 0, 0), statistics: Box | None = None
) -> TrainingVolume:
    """Return a training volume.

    Parameters
    ----------
    raw : (z, y, x) array
        Image, which is normalized by the statistics of its labelled part.
    labels : (z, y, x) array of int64
        Object of each voxel, 0 for background, `UNKNOWN` where it is not annotated; at most 2²⁴ objects.
    start : (z, y, x)
        Position in `raw` of the first voxel of `labels`.
    statistics : Box, optional
        Part of `raw` whose statistics normalize it, if not the labelled one.

    Raises
    ------
    InvalidInput
        If grey values are not finite, or all equal.
    """
    whole = Box.of_shape(raw.shape)
    part = raw[(statistics or Box.of_shape(labels.shape, start)).within(whole)].astype(np.float64)
    mean, std = float(part.mean()), float(part.std())
    if not np.isfinite(raw).all():
        raise InvalidInput(f"the image has {int((~np.isfinite(raw)).sum())} voxels that are not finite; replace them")
    if not std > 0:
        raise InvalidInput(f"all voxels of the labelled part of the image are {mean:g}; choose another box")
    flat = labels.ravel()
    known = flat != UNKNOWN
    return TrainingVolume(
        torch.from_numpy((raw.astype(np.float32) - np.float32(mean)) / np.float32(std))[None, None],
        torch.from_numpy(labels.astype(np.float32))[None, None],
        start,
        mean,
        std,
        np.flatnonzero(flat > 0),
        None if known.all() else np.flatnonzero(known),
        _digest(raw),
        _digest(labels),
    )


def _digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of shape, data type and elements, in whatever order they are stored."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{plain.shape} {plain.dtype.str} ".encode())
    digest.update(plain.reshape(-1).data)
    return digest.hexdigest()


def load(region: Region, labels: NDArray[np.int64], margin: Shape) -> TrainingVolume:
    """Read the image of a region, up to `margin` voxels beyond its box, which is all that patches may show.

    Parameters
    ----------
    region : Region
        Labelled box of an image.
    labels : (z, y, x) array of int64
        Labels of the box, as `from_arrays` takes them.
    margin : (z, y, x)
        Voxels around the box.
    """
    read = region.readable(margin)
    z, y, x = (a - b for a, b in zip(region.box.start, read.start, strict=True))
    try:
        return from_arrays(region.raw.source.read(read), labels, (z, y, x))
    except InvalidInput as error:
        raise InvalidInput(f"{region.truth.raw} in {region.box}: {error}") from None


def cut(
    volume: TrainingVolume,
    shape: PatchShape,
    rng: np.random.Generator,
    geometry: Geometry,
    settings: Augmentation,
    foreground: float = 0.0,
) -> Patch:
    """Cut one patch at a random position, with random augmentation.

    Beyond the volume, the image is mirrored and labels are `UNKNOWN`.

    Parameters
    ----------
    volume : TrainingVolume
        Image and labels.
    shape : PatchShape
        Form of the patch.
    rng : numpy.random.Generator
        Source of the position and the augmentation.
    geometry, settings : Geometry, Augmentation
        What may be done to a patch.
    foreground : float
        Share of the patches around a voxel of an object.
    """
    below, above = shape.margins
    pad = [max(beyond) for beyond in zip(shape.context, below, above, strict=True)]
    z, y, x = (n + 2 * p for n, p in zip(shape.out, pad, strict=True))
    centre = _centre(volume, shape.out, rng, foreground)
    positions = augment.coordinates(centre, (z, y, x), rng, geometry, settings)
    raw = _sample(volume.raw, positions[_middle(shape.out, pad, shape.context, shape.context)], "bilinear")
    inner = positions[_middle(shape.out, pad, below, above)] - torch.tensor(volume.start)
    labels = _sample(volume.labels, inner, "nearest")
    last = torch.tensor(volume.labels.shape[2:]) - 1
    labels[~((inner >= -0.5) & (inner <= last + 0.5)).all(-1)] = UNKNOWN
    if settings.grey_values:
        raw = augment.grey_values(raw, rng, geometry, settings.damaged)
    return Patch(raw, labels)


def _middle(out: Shape, pad: Sequence[int], below: Shape, above: Shape) -> tuple[slice, ...]:
    """Return the slices of `out` voxels that are padded, and of some beyond them at both ends."""
    return tuple(slice(p - b, p + n + a) for n, p, b, a in zip(out, pad, below, above, strict=True))


def _centre(volume: TrainingVolume, out: Shape, rng: np.random.Generator, foreground: float) -> NDArray[np.float64]:
    """Return a random centre: around an object, around an annotated voxel if they are few, or anywhere."""
    shape, half = np.array(volume.labels.shape[2:]), np.array(out) // 2
    margin = np.minimum(np.maximum(half - 4, 0), shape // 2)
    places = volume.objects if rng.random() < foreground and len(volume.objects) else volume.known
    if places is None:
        centre = rng.integers(margin, np.maximum(shape - margin, margin + 1))
    else:
        place = np.array(np.unravel_index(places[rng.integers(len(places))], tuple(shape)))
        centre = np.clip(place + rng.integers(-half, half + 1), margin, np.maximum(shape - margin - 1, margin))
    return np.asarray(centre + volume.start, dtype=np.float64)


def _sample(volume: Tensor, positions: Tensor, mode: str) -> Tensor:
    """Return the values of `volume` at voxel `positions` (..., 3), z, y, x, mirrored at the borders."""
    last = (torch.tensor(volume.shape[2:], dtype=torch.float32) - 1).clamp(min=1)
    grid = (2 * positions / last - 1).flip(-1)[None]
    return functional.grid_sample(volume, grid, mode=mode, padding_mode="reflection", align_corners=True)[0, 0]
