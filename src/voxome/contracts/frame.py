"""The voxels of a step."""

from __future__ import annotations

from dataclasses import dataclass

from voxome.geometry import Box

ASSUMED_NM = (10.0, 10.0, 10.0)
"""The voxel size (z, y, x) that parameters in nm assume where none is known."""


@dataclass(frozen=True)
class Frame:
    """The voxels of a step, along z, y, x.

    Attributes
    ----------
    domain, box : Box
        All voxels of the volume, and those that the run covers. Volumes that a step before has computed are 0 outside
        `box`.
    voxel_size_nm : (z, y, x) or None
        None where it is unknown.
    offset_nm : (z, y, x)
        Position of the centre of voxel index 0.
    """

    domain: Box
    box: Box
    voxel_size_nm: tuple[float, float, float] | None
    offset_nm: tuple[float, float, float]

    @property
    def scale_nm(self) -> tuple[float, float, float]:
        """The voxel size, or the one that is assumed."""
        return self.voxel_size_nm or ASSUMED_NM
