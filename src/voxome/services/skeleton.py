"""Skeletons of segments: those that the store keeps, or computed from the voxels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from voxome.contracts.arguments import require_flags, require_id, require_ids, require_path, require_position
from voxome.contracts.provenance import LOCAL, OWN
from voxome.contracts.service import Requirement
from voxome.contracts.service import service as as_service
from voxome.contracts.shapes import Skeleton
from voxome.contracts.source import SkeletonSource
from voxome.contracts.uri import Location
from voxome.geometry import Box
from voxome.resources.labels import corner_of_voxel_0, require_labels
from voxome.resources.shapes import Skeletons
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.choice import call_service, choose, chosen_options
from voxome.services.local_skeletons import LocalSkeletons, Options
from voxome.services.stored_shapes import StoredSkeletons

_STORED = Requirement(
    SkeletonSource,
    "this store keeps no skeletons; a precomputed segmentation whose info names a folder `skeletons` does, as does a "
    "DVID labelmap with an instance NAME_skeletons; service='local' computes them",
)


@as_service()
def skeleton(
    volume: VolumeLike,
    id: int,
    *,
    scale: float = 1.5,
    const_nm: float = 300.0,
    soma_radius_nm: float = 2000.0,
    cross_sections: bool = False,
    root_nm: Sequence[float] | None = None,
    targets_nm: Sequence[Sequence[float]] = (),
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    service: str | None = None,
) -> Skeleton:
    """Return the skeleton of a segment: of the store if it keeps skeletons, else computed from the voxels.

    A computed skeleton is a tree for each 26-connected part of the segment, by TEASAR; rings are opened. Only the
    surroundings of the segment are read, block by block.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels (z, y, x) of any integer type; 0 is background.
    id : int
        Id of the segment.
    scale, const_nm : float
        A path covers what is within ``scale * radius + const_nm`` of it, in nm; what no path covers becomes a branch.
    soma_radius_nm : float
        A segment that is as thick as this has a soma: its middle is the root, which branches leave straight.
    cross_sections : bool
        Whether nodes have the attribute ``cross_section_nm2``: the area of the segment's cross-section there, in nm²,
        perpendicular to the skeleton; NaN where it leaves the volume, is too wide to be one, or is at the very end.
    root_nm : (z, y, x), optional
        Position in the segment, in nm in the corner frame, that is the root.
    targets_nm : sequence of (z, y, x)
        Positions in the segment that have a node.
    box : Box or str, optional
        Part of the volume, in the store's coordinates.
    level : int
        Level of the pyramid; 0 is the finest.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array.
    service : str, optional
        ``own``: what the store keeps; ``local``: compute it; the name of another package's service. If None, that of
        the store if it keeps skeletons and no option is given that is for computing.

    Returns
    -------
    Skeleton
        Nodes in nm in the corner frame, edges from child to parent, and for each node the distance to the surface.

    Raises
    ------
    NotFound
        If there is no such segment, or the store keeps no skeleton of it.
    InvalidInput
        If the volume has no integer labels, or negative ones, or no voxel size; if a position is outside the segment.
    UnsupportedFormat
        If the service is ``own``, and the store keeps no skeletons.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> labels = np.zeros((5, 5, 40), np.uint64)
    >>> labels[2, 2, 2:38] = 2**63 + 5
    >>> skeleton = voxome.skeleton(labels, 2**63 + 5, voxel_size_nm=(40, 16, 16))
    >>> skeleton.nodes_nm.min(axis=0).tolist(), skeleton.length_nm
    ([100.0, 40.0, 40.0], 560.0)
    """
    whole, number = as_volume(volume, voxel_size_nm=voxel_size_nm), require_id("id", id)
    opened = as_volume(whole, level=level)
    require_flags(cross_sections=cross_sections)
    changed = chosen_options(
        skeleton, scale=scale, const_nm=const_nm, soma_radius_nm=soma_radius_nm, cross_sections=cross_sections
    )
    given = {"root_nm": root_nm, "targets_nm": targets_nm or None, "box": box, "level": level or None, **changed}
    way = choose(service, opened, "skeleton", _STORED, given)
    if way == OWN:
        stored = StoredSkeletons("skeleton", opened, _STORED.find(opened.source, opened.uri))
        if service == OWN or stored.answers(number):
            return stored.skeleton(number)
        way = LOCAL
    options = Options.of(scale, const_nm, soma_radius_nm)
    root = None if root_nm is None else require_position("root_nm", root_nm)
    targets = tuple(require_position("targets_nm", one) for one in targets_nm)
    if way != LOCAL:
        found = call_service(way, opened, number, **changed, root_nm=root, targets_nm=targets or None, box=box)
        return cast("Skeleton", found)
    origin = corner_of_voxel_0(opened)
    source = LocalSkeletons(require_labels(opened), options, None, box, origin, cross_sections)
    return source.trace(number, root, targets)


@as_service()
def skeletons(
    volume: VolumeLike,
    ids: Collection[int] | None = None,
    *,
    points: Location | None = None,
    scale: float = 1.5,
    const_nm: float = 300.0,
    soma_radius_nm: float = 2000.0,
    cross_sections: bool = False,
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    service: str | None = None,
) -> Skeletons:
    """Return the skeletons of segments: of the store if it keeps skeletons, else computed when they are used.

    All of them are traced in one pass over the volume, when the first is used; memory grows with the skeletons, not
    with the volume. `voxome.write_skeletons` writes those of a large volume, on many cores.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels (z, y, x) of any integer type; 0 is background.
    ids : collection of int, optional
        The segments; all if None.
    points : str or path, optional
        Parquet file of roots and targets; see `voxome.write_skeletons`.
    scale, const_nm, soma_radius_nm, cross_sections, box, level, voxel_size_nm, service : optional
        See `skeleton`.

    Raises
    ------
    NotFound
        If one of `ids` does not exist.
    InvalidInput
        If the volume has no integer labels, or negative ones.
    UnsupportedFormat
        If the service is ``own``, and the store keeps no skeletons.
    """
    whole = as_volume(volume, voxel_size_nm=voxel_size_nm)
    opened = as_volume(whole, level=level)
    wanted = None if ids is None else require_ids("ids", ids)
    require_flags(cross_sections=cross_sections)
    changed = chosen_options(
        skeletons, scale=scale, const_nm=const_nm, soma_radius_nm=soma_radius_nm, cross_sections=cross_sections
    )
    table = None if points is None else require_path("points", points)
    given = {"ids": wanted, "points": table, "box": box, "level": level or None, **changed}
    way = choose(service, opened, "skeletons", _STORED, given)
    if way == OWN:
        stored = StoredSkeletons("skeletons", opened, _STORED.find(opened.source, opened.uri))
        if service == OWN or stored.part is None:
            return Skeletons(stored, opened.uri)
        way = LOCAL
    options = Options.of(scale, const_nm, soma_radius_nm)
    if way != LOCAL:
        return cast("Skeletons", call_service(way, opened, wanted, **changed, points=table, box=box))
    origin = corner_of_voxel_0(opened)
    source = LocalSkeletons(require_labels(opened), options, wanted, box, origin, cross_sections, table)
    if wanted is not None:
        source.require_ids()
    return Skeletons(source, opened.uri)
