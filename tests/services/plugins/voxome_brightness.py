"""A plug-in package with services: a plain function, one with a requirement, and one instead of that of voxome."""

from __future__ import annotations

import numpy as np

import voxome
from voxome.contracts.abilities import SupportsLevels
from voxome.contracts.provenance import Provenance
from voxome.contracts.service import Requirement, service
from voxome.resources.provenance import input_record


def brightness(volume: voxome.Volume, factor: float = 1.0) -> float:
    """Return the mean of all voxels times `factor`."""
    return float(volume[...].mean()) * factor


@service(Requirement(SupportsLevels, "this store keeps no pyramid; zarr and precomputed do"))
def level_shapes(volume: voxome.Volume) -> list[tuple[int, ...]]:
    """Return the shapes of all levels."""
    return [volume.level(number).shape for number in range(len(volume.levels))]


def lab_regions(volume: voxome.Volume, image: voxome.Volume | None = None, box: str | None = None) -> voxome.Table:
    """Count the voxels of every segment."""
    assert image is None
    ids, voxels = np.unique(volume[...] if box is None else volume.cutout(box), return_counts=True)
    inputs = [input_record("labels", volume.source, volume.uri)]
    made = Provenance.now("regions", "lab_regions", "lab.count", "3", inputs=inputs)
    return voxome.Table({"id": ids[ids != 0], "voxels": voxels[ids != 0]}, ("id",), made)
