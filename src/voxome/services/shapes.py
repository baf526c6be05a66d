"""Meshes and skeletons of a segmentation, as its store keeps them."""

from __future__ import annotations

from voxome.contracts.abilities import ability
from voxome.contracts.service import Requirement, service
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.resources.shapes import Meshes, Skeletons
from voxome.resources.volume import Volume

_MESHES = Requirement(
    MeshSource,
    "this store keeps no meshes; a precomputed segmentation whose info names a folder `mesh` does, as does a DVID "
    "labelmap with an instance NAME_meshes",
)
_SKELETONS = Requirement(
    SkeletonSource,
    "this store keeps no skeletons; a precomputed segmentation whose info names a folder `skeletons` does, as does a "
    "DVID labelmap with an instance NAME_skeletons",
)


@service(_MESHES)
def meshes(volume: Volume) -> Meshes:
    """Return the meshes that the store keeps of the segments of a volume.

    Raises
    ------
    UnsupportedFormat
        If it keeps none.
    """
    return Meshes(_meshes(volume), volume.uri)


@service(_MESHES)
def mesh(volume: Volume, id: int, lod: int = 0) -> Mesh:
    """Return the mesh that the store keeps of a segment.

    Parameters
    ----------
    volume : Volume
        A segmentation.
    id : int
        Id of the segment.
    lod : int
        Level of detail; 0 is the finest.

    Raises
    ------
    NotFound
        If the segment has no mesh, or none at that level.
    UnsupportedFormat
        If the store keeps no meshes.
    """
    return meshes(volume).mesh(id, lod)


@service(_SKELETONS)
def skeletons(volume: Volume) -> Skeletons:
    """Return the skeletons that the store keeps of the segments of a volume.

    Raises
    ------
    UnsupportedFormat
        If it keeps none.
    """
    return Skeletons(_skeletons(volume), volume.uri)


@service(_SKELETONS)
def skeleton(volume: Volume, id: int) -> Skeleton:
    """Return the skeleton that the store keeps of a segment.

    Parameters
    ----------
    volume : Volume
        A segmentation.
    id : int
        Id of the segment.

    Raises
    ------
    NotFound
        If the segment has no skeleton.
    UnsupportedFormat
        If the store keeps no skeletons.
    """
    return skeletons(volume).skeleton(id)


def _meshes(volume: Volume) -> MeshSource:
    source = ability(volume.source, MeshSource)
    assert source is not None, "a service checks what it requires"
    return source


def _skeletons(volume: Volume) -> SkeletonSource:
    source = ability(volume.source, SkeletonSource)
    assert source is not None, "a service checks what it requires"
    return source
