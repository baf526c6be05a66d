"""Skeletons of a segmentation, as its store keeps them."""

from __future__ import annotations

from voxome.contracts.abilities import ability
from voxome.contracts.service import Requirement, service
from voxome.contracts.shapes import Skeleton
from voxome.contracts.source import SkeletonSource
from voxome.resources.shapes import Skeletons
from voxome.resources.volume import Volume

_SKELETONS = Requirement(
    SkeletonSource,
    "this store keeps no skeletons; a precomputed segmentation whose info names a folder `skeletons` does, as does a "
    "DVID labelmap with an instance NAME_skeletons",
)


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


def _skeletons(volume: Volume) -> SkeletonSource:
    source = ability(volume.source, SkeletonSource)
    assert source is not None, "a service checks what it requires"
    return source
