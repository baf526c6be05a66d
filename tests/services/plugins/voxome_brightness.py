"""A plug-in package with two services: a plain function, and one with a requirement."""

from __future__ import annotations

import voxome
from voxome.contracts.abilities import SupportsLevels
from voxome.contracts.service import Requirement, service


def brightness(volume: voxome.Volume, factor: float = 1.0) -> float:
    """Return the mean of all voxels times `factor`."""
    return float(volume[...].mean()) * factor


@service(Requirement(SupportsLevels, "this store keeps no pyramid; zarr and precomputed do"))
def level_shapes(volume: voxome.Volume) -> list[tuple[int, ...]]:
    """Return the shapes of all levels."""
    return [volume.level(number).shape for number in range(len(volume.levels))]
