"""Meshes of the objects of a label volume: those of its store, or computed from the voxels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from voxome.contracts.arguments import require_count, require_id, require_ids, require_number, require_voxels
from voxome.contracts.provenance import LOCAL, OWN
from voxome.contracts.service import Requirement
from voxome.contracts.service import service as as_service
from voxome.contracts.shapes import Mesh
from voxome.contracts.source import MeshSource
from voxome.errors import InvalidBox, InvalidInput, NotFound
from voxome.extras import require
from voxome.geometry import Box
from voxome.resources.labels import corner_of_voxel_0, require_labels
from voxome.resources.shapes import Meshes
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.choice import call_service, choose
from voxome.services.stored_shapes import StoredMeshes

if TYPE_CHECKING:
    from voxome.services.local_meshes import LocalMeshes

_STORED = Requirement(
    MeshSource,
    "this store keeps no meshes; a precomputed segmentation whose info names a folder `mesh` does, as does a DVID "
    "labelmap with an instance NAME_meshes",
)


@as_service()
def mesh(
    volume: VolumeLike,
    id: int,
    lod: int = 0,
    *,
    max_error_nm: float | None = None,
    box: Box | str | None = None,
    level: int | None = None,
    block: Sequence[int] | None = None,
    voxel_size_nm: Sequence[float] | None = None,
    service: str | None = None,
) -> Mesh:
    """Return the mesh of an object of a label volume.

    It is the one that the store keeps, or is computed from the voxels: the surface between the centres of voxels
    (marching cubes), closed at the faces of the volume, and simplified as far as `max_error_nm` allows. If the voxels
    have changed since the store's mesh was made, as far as their version tells, a warning says so.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels (z, y, x) of any integer type; 0 is background.
    id : int
        Id of the object.
    lod : int
        Level of detail; 0 is the finest.
    max_error_nm : float, optional
        Largest distance in nm of any point of the mesh from the surface of the voxels, and of any point of that surface
        from the mesh; every level of detail doubles it. If it is 0 or None, the finest level is the surface of
        marching cubes as it is, and the next one is a voxel away at most. Marching cubes cuts corners and edges of
        voxels, by up to half a voxel, so the volume of the mesh is smaller than that of the voxels: for thin objects
        by much, for a single voxel by 5/6.
    box : Box or str, optional
        Part of the volume, in the store's coordinates; the mesh is closed at its faces.
    level : int, optional
        Level of the pyramid that is meshed; the finest, or that of the volume, if None.
    block : (z, y, x), optional
        Voxels that are meshed at a time; complete chunks if None. The mesh does not depend on it.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array.
    service : str, optional
        ``own``: the mesh of the store; ``local``: computed from the voxels; or the name of another package's service.
        If None, that of the store if it keeps meshes and no option is given that is for computing.

    Returns
    -------
    Mesh
        Vertices z, y, x in nm: voxel i covers i to i + 1 times the voxel size. Its `provenance` says what made it, and
        its ``provenance.warnings`` whether the voxels have changed since.

    Raises
    ------
    NotFound
        If the object does not exist, or its store has no mesh of it, or none at that level of detail.
    InvalidInput
        If the volume has no integer labels, or negative ones, or no voxel size; if an option is for computing and the
        service is ``own``.
    UnsupportedFormat
        If the service is ``own`` and the store keeps no meshes.
    InvalidBox
        If the box is empty or leaves the volume.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> labels = np.zeros((4, 6, 8), np.uint64)
    >>> labels[:2, :4, :] = 7
    >>> mesh = voxome.mesh(labels, 7, voxel_size_nm=(40, 10, 10))
    >>> mesh.vertices_nm.min(axis=0).tolist(), mesh.vertices_nm.max(axis=0).tolist()
    ([0.0, 0.0, 0.0], [80.0, 40.0, 80.0])
    """
    opened = as_volume(volume, voxel_size_nm=voxel_size_nm)
    label, lod = require_id("id", id), require_count("lod", lod, 0)
    options: dict[str, Any] = {"max_error_nm": max_error_nm, "box": box, "level": level, "block": block}
    way = choose(service, opened, "mesh", _STORED, options)
    if way == OWN:
        stored = StoredMeshes("mesh", opened, _STORED.find(opened.source, opened.uri))
        if service == OWN or stored.answers(label):
            return stored.mesh(label, lod)
    elif way != LOCAL:
        return cast("Mesh", call_service(way, opened, label, lod=lod or None, **options))
    if label == 0:
        raise NotFound("0 is background, of which there is no mesh; expected the id of an object")
    return _local(opened, "mesh", None, **options).only(label, lod)


@as_service()
def meshes(
    volume: VolumeLike,
    ids: Collection[int] | None = None,
    *,
    max_error_nm: float | None = None,
    box: Box | str | None = None,
    level: int | None = None,
    block: Sequence[int] | None = None,
    voxel_size_nm: Sequence[float] | None = None,
    service: str | None = None,
) -> Meshes:
    """Return the meshes of the objects of a label volume: ``meshes[id]``.

    They are those that the store keeps, or each is computed from the voxels when it is wanted; `voxome.write_meshes`
    computes and stores all of them, block by block.

    Parameters
    ----------
    volume : str, path, Volume or array
        Labels (z, y, x) of any integer type; 0 is background.
    ids : collection of int, optional
        Ids of the objects to compute; all if None.
    max_error_nm, box, level, block, voxel_size_nm, service : optional
        As in `mesh`.

    Returns
    -------
    Meshes
        ``meshes.ids()`` are the ids, ``meshes.mesh(id, lod)`` is a mesh.

    Raises
    ------
    InvalidInput, UnsupportedFormat, InvalidBox
        As in `mesh`.
    NotFound
        If one of `ids` does not exist.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> labels = np.arange(8, dtype="uint64").reshape(2, 2, 2)
    >>> found = voxome.meshes(labels, voxel_size_nm=(40, 10, 10))
    >>> found.ids().tolist(), len(found[7].faces)
    ([1, 2, 3, 4, 5, 6, 7], 8)
    """
    opened = as_volume(volume, voxel_size_nm=voxel_size_nm)
    chosen = None if ids is None else tuple(require_ids("ids", ids))
    options: dict[str, Any] = {"max_error_nm": max_error_nm, "box": box, "level": level, "block": block}
    way = choose(service, opened, "meshes", _STORED, {"ids": chosen, **options})
    if way == OWN:
        stored = StoredMeshes("meshes", opened, _STORED.find(opened.source, opened.uri))
        if service == OWN or stored.part is None:
            return Meshes(stored, opened.uri)
    elif way != LOCAL:
        return cast("Meshes", call_service(way, opened, chosen, **options))
    source = _local(opened, "meshes", chosen, **options)
    if chosen is not None:
        source.require_ids()
    return Meshes(source, opened.uri)


def _local(
    volume: Volume,
    service: str,
    chosen: tuple[int, ...] | None,
    *,
    max_error_nm: float | None,
    box: Box | str | None,
    level: int | None,
    block: Sequence[int] | None,
) -> LocalMeshes:
    error = 0.0 if max_error_nm is None else require_number("max_error_nm", max_error_nm)
    if not (isinstance(error, float | int | np.number) and 0 <= error < np.inf):
        raise InvalidInput(f"max_error_nm is {max_error_nm}; expected a distance in nm of at least 0")
    number = 0 if level is None else require_count("level", level, 0)
    labels = require_labels(volume.level(number) if number else volume)
    name = labels.uri or "the array"
    if labels.voxel_size_nm is None:
        raise InvalidInput(
            f"{name} has no voxel size; pass voxel_size_nm=(z, y, x) with an array, or set it in the store"
        )
    region = labels.domain if box is None else Box.of(box, labels.domain)
    if region.ndim != labels.ndim or region.empty or region not in labels.domain:
        raise InvalidBox(f"the box {region} is empty or leaves {name}; expected a box inside {labels.domain}")
    shape = None if block is None else require_voxels("block", block)
    require("services", "fastremap", "numba", "zmesh")
    from voxome.services.local_meshes import LocalMeshes

    return LocalMeshes(labels, region, corner_of_voxel_0(labels), float(error), shape, chosen, service)
