"""Volumes without a voxel size, shown with one."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.geometry import Box
from voxome.resources.views import View


class Sized(View):
    """A source with another voxel size, in its finest level.

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    voxel_size_nm : (z, y, x)
        Its voxel size.
    """

    def __init__(self, source: VolumeSource, voxel_size_nm: tuple[float, float, float]) -> None:
        size = ",".join(f"{one:g}" for one in voxel_size_nm)
        super().__init__(source, f"voxel_size_nm={size}", source.spec.replace(voxel_size_nm=voxel_size_nm))

    def _read(self, box: Box) -> NDArray[Any]:
        return self.source.read(box)
