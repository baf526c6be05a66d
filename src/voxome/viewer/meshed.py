"""Labels with meshes that are computed when the viewer wants them."""

from __future__ import annotations

import math
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsPinnedVersions, ability
from voxome.contracts.shapes import Mesh
from voxome.contracts.source import MeshSource, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import VoxomeError
from voxome.geometry import Box
from voxome.resources.volume import Volume
from voxome.services.mesh import meshes

MOST_VOXELS = 2**28
"""Of the level from which meshes are computed: finding a segment may take a pass over it."""
MOST_BYTES = 2**28
"""Of the meshes of one volume that are kept."""


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


class KeptMeshes:
    """Meshes that are computed once, however many want them, and kept, the least recently used going first."""

    def __init__(self, meshes: MeshSource) -> None:
        self._meshes, self._lock = meshes, Lock()
        self._kept: OrderedDict[tuple[int, int], Future[Mesh]] = OrderedDict()

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all meshes."""
        return self._meshes.ids()

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        """Return a mesh; see `MeshSource.mesh`."""
        with self._lock:
            future = self._kept.get((id, lod))
            is_first = future is None
            if future is None:
                future = self._kept[id, lod] = Future()
            self._kept.move_to_end((id, lod))
        if is_first:
            self._compute(id, lod, future)
        return future.result()

    def _compute(self, id: int, lod: int, future: Future[Mesh]) -> None:
        try:
            future.set_result(self._meshes.mesh(id, lod))
        except BaseException as error:
            with self._lock:
                self._kept.pop((id, lod), None)
            future.set_exception(error)
            return
        with self._lock:
            done = [(key, _bytes_of(one.result())) for key, one in self._kept.items() if one.done()]
            excess = sum(size for _, size in done) - MOST_BYTES
            for key, size in done[:-1]:
                if excess <= 0:
                    break
                del self._kept[key]
                excess -= size


def _bytes_of(mesh: Mesh) -> int:
    return mesh.vertices_nm.nbytes + mesh.faces.nbytes


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
            return MeshedLabels(source, KeptMeshes(computed.source))
    return source
