"""Whether a volume is like the data that a classifier was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from voxome.contracts.spec import VolumeSpec
from voxome.geometry.notation import comma_text

VOXEL_SIZE_TOLERANCE = 0.2
"""Maximum relative difference from the voxel size of the training data."""


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
