"""The voxels that a classifier works on, and what it knows of their volume."""

from __future__ import annotations

from dataclasses import dataclass

from voxome.geometry import Box


@dataclass(frozen=True)
class Place:
    """Voxels to classify.

    Attributes
    ----------
    box, domain : Box
        Voxels to classify, and all voxels of the volume.
    scale_nm : (z, y, x)
        Voxel size.
    moments : (mean, standard deviation), optional
        Those of the grey values of the tissue of the volume.
    """

    box: Box
    domain: Box
    scale_nm: tuple[float, float, float]
    moments: tuple[float, float] | None = None
