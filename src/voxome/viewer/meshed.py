"""Labels with meshes that are computed when the viewer wants them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsPinnedVersions, ability
from voxome.contracts.source import MeshSource, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import VoxomeError
from voxome.geometry import Box
from voxome.resources.volume import Volume
from voxome.services.mesh import meshes

MOST_VOXELS = 2**28
"""Of the level from which meshes are computed: finding a segment may take a pass over it."""


@dataclass(frozen=True)
class MeshedLabels:
    """A source of labels that also has meshes.

    Attributes
    ----------
    labels : VolumeSource
        The labels.
    meshes : MeshSource
        Their meshes.
    """

    labels: VolumeSource
    meshes: MeshSource

    @property
    def spec(self) -> VolumeSpec:
        return self.labels.spec

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`."""
        return self.labels.read(box)

    def ability(self, protocol: type[Any]) -> Any:
        """Return the meshes, or what the labels can do; their earlier versions have meshes too."""
        if protocol is MeshSource:
            return self.meshes
        found = ability(self.labels, protocol)
        return _MeshedVersions(found) if protocol is SupportsPinnedVersions and found is not None else found


@dataclass(frozen=True)
class _MeshedVersions:
    """Versions of labels, with the meshes of each."""

    versions: SupportsPinnedVersions

    def current_version(self) -> str:
        return self.versions.current_version()

    def at_version(self, version: str) -> VolumeSource:
        return cast("VolumeSource", with_meshes(Volume(self.versions.at_version(version), "")))


def with_meshes(volume: Volume) -> VolumeSource | MeshedLabels:
    """Return the source of a volume: of labels without meshes, with meshes of the finest level that is small enough.

    They are not simplified, which would take longer than to show them.

    Without a voxel size, or a level of at most `MOST_VOXELS` voxels, there are none.
    """
    source = volume.source
    size = volume.spec.voxel_size_nm
    if volume.spec.kind != "labels" or size is None or ability(source, MeshSource) is not None:
        return source
    for level in range(max(len(volume.levels), 1)):
        coarse = volume.level(level)
        if math.prod(coarse.shape) <= MOST_VOXELS and coarse.spec.voxel_size_nm is not None:
            try:
                computed = meshes(volume, level=level, service="local")
            except VoxomeError:
                return source
            return MeshedLabels(source, computed.source)
    return source
