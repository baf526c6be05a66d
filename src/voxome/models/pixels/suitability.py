"""Whether a volume is like the data that a classifier was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.geometry.notation import comma_text

VOXEL_SIZE_TOLERANCE = 0.2
"""Maximum relative difference from the voxel size of the training data."""


MOST_WIDER = 4.0
"""Ratio of the widths of two ranges of grey values from which on they are unlike."""


class TrainedCard(Protocol):
    """What cards of trained classifiers say about their data."""

    @property
    def name(self) -> str:
        """Name of the classifier."""

    @property
    def dtype(self) -> str:
        """Data type of the training data."""

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Voxel size (z, y, x) of the training data."""


def differences(spec: VolumeSpec, card: TrainedCard, dimensions: int = 3) -> Iterator[str]:
    """Yield how a volume differs from the training data, as ends of sentences; in two dimensions, z does not matter."""
    if spec.dtype != card.dtype:
        yield (
            f"is {spec.dtype}, but the classifier {card.name!r} was trained on {card.dtype}: add ?window=LO:HI to its "
            "URI, or use voxome convert"
        )
    size = spec.voxel_size_nm
    if size is None:
        yield "has no voxel size, but the classifier depends on it: give one with --voxel-size Z,Y,X"
        return
    pairs = list(zip(size, card.voxel_size_nm, strict=True))[3 - dimensions :]
    if not all(math.isclose(a, b, rel_tol=VOXEL_SIZE_TOLERANCE) for a, b in pairs):
        yield (
            f"has a voxel size of {comma_text(size)} nm (z, y, x), but the classifier {card.name!r} was trained on "
            f"{comma_text(card.voxel_size_nm)} nm: choose a level with such voxels (--level), or train one on yours"
        )


def range_difference(values: NDArray[Any], grey_range: tuple[float, float], name: str) -> str | None:
    """Return how grey values differ from the range of the training data, as the end of a sentence, or None.

    Parameters
    ----------
    values : (n,) array
        Grey values of a sample of the tissue.
    grey_range : (float, float)
        Where most grey values of the training data were.
    name : str
        Name of the classifier.
    """
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not known.size:
        return None
    low, high = (float(value) for value in np.percentile(known, (0.5, 99.5)))
    first, last = grey_range
    widths = sorted((max(high - low, 1e-30), max(last - first, 1e-30)))
    if max(low, first) < min(high, last) and widths[1] <= MOST_WIDER * widths[0]:
        return None
    return (
        f"has most grey values from {low:g} to {high:g} in a sample, but the training data of {name} had them from "
        f"{first:g} to {last:g}: use the same exposure and window, as with ?window=LO:HI, or train on this image"
    )
