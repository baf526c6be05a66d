"""Facts about a volume, or about meshes, skeletons or points."""

from __future__ import annotations

import os
from typing import Any

from voxome.calls import explain_calls
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.levels import Level
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import VoxomeError
from voxome.resources.addresses import has_local_paths
from voxome.resources.open import Resource, open
from voxome.resources.shapes import Meshes, Points, Skeletons
from voxome.resources.unfinished import unfinished_problem
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume


def spec_facts(spec: VolumeSpec) -> dict[str, Any]:
    """Return what the results of all verbs say of a volume or a part of one, as JSON values.

    Returns
    -------
    dict
        ``shape``, ``dtype``, ``axes``, ``start`` (the first index), ``voxel_size_nm``, ``offset_nm`` (the position of
        index 0) and ``bytes`` of the voxels.
    """
    return {
        "shape": list(spec.domain.shape),
        "dtype": spec.dtype.name,
        "axes": list(spec.axes),
        "start": list(spec.domain.start),
        "voxel_size_nm": spec.voxel_size_nm and list(spec.voxel_size_nm),
        "offset_nm": list(spec.offset_nm),
        "bytes": spec.domain.size * spec.dtype.itemsize,
    }


@explain_calls
def info(resource: VolumeLike | Resource) -> dict[str, Any]:
    """Return the facts of a volume, or of meshes, skeletons or points, as JSON values.

    Parameters
    ----------
    resource : str, path, Volume, Meshes, Skeletons, Points or array
        What to describe.

    Returns
    -------
    dict
        ``uri``, ``format``, ``kind``; of a volume also ``shape``, ``dtype``, ``axes``, ``start``, ``voxel_size_nm``,
        ``offset_nm``, ``bytes``, ``chunk``, ``write_chunk`` and ``levels``, a list with the facts of each level; of
        points ``geometry``, ``count``, ``properties`` (name → dtype), ``relations``, ``relation_versions`` and
        ``bounds_nm`` (two corners, z, y, x), None where only reading all of a store would tell; of meshes and skeletons
        ``objects``, their number, None where that takes many requests or a pass over voxels, and ``made_with``, the
        parameters in the last entry of their provenance, such as ``levels`` of detail and ``min_volume_nm3``, or None.

    Raises
    ------
    InvalidInput, InvalidUri, NotFound, UnsupportedFormat, UnknownName

    Examples
    --------
    >>> import numpy as np, voxome
    >>> voxome.info(np.zeros((4, 5, 6), "uint8"))["shape"]
    [4, 5, 6]
    """
    if isinstance(resource, str | os.PathLike):
        resource = open(resource)
    if isinstance(resource, Meshes | Skeletons | Points):
        return _shape_facts(resource)
    return _volume_facts(as_volume(resource))


def _shape_facts(resource: Meshes | Skeletons | Points) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "uri": resource.uri,
        "format": resource.uri.partition("://")[0],
        "kind": type(resource).__name__.lower(),
    }
    if isinstance(resource, Points):
        summary = resource.summarise()
        facts |= {
            "geometry": resource.shape,
            "count": summary.count,
            "properties": dict(summary.properties),
            "relations": list(resource.relations),
            "relation_versions": {name: dict(one) for name, one in resource.relation_versions.items()},
            "bounds_nm": summary.bounds_nm and [list(end) for end in summary.bounds_nm],
        }
    else:
        made = resource.provenance
        facts |= {"objects": _count(resource), "made_with": None if made is None else dict(made.parameters)}
    return facts


def _count(shapes: Meshes | Skeletons) -> int | None:
    """Return the number of shapes; None if that takes many requests, or a pass over voxels."""
    from voxome.services.local_meshes import LocalMeshes
    from voxome.services.local_skeletons import LocalSkeletons

    if isinstance(shapes.source, LocalMeshes | LocalSkeletons):
        return None
    uri = Uri.parse(shapes.uri)
    return len(shapes) if "://" not in uri.path and has_local_paths(uri.scheme) else None


def _volume_facts(volume: Volume) -> dict[str, Any]:
    spec = volume.spec
    pyramid = ability(volume.source, SupportsLevels)
    return {
        "uri": volume.uri,
        "complete": unfinished_problem(volume.reveal_uri()) is None,
        "format": volume.uri.partition("://")[0],
        "kind": spec.kind,
        **spec_facts(spec),
        "chunk": spec.read_chunk and list(spec.read_chunk),
        "write_chunk": spec.write_chunk and list(spec.write_chunk),
        "levels": [] if pyramid is None else [_level_facts(pyramid, n, one) for n, one in enumerate(pyramid.levels)],
    }


def _level_facts(pyramid: SupportsLevels, number: int, level: Level) -> dict[str, Any]:
    """Return the facts of one level; of one that cannot be opened, the reason."""
    facts: dict[str, Any] = {
        "shape": None,
        "voxel_size_nm": level.voxel_size_nm and list(level.voxel_size_nm),
        "offset_nm": list(level.offset_nm),
        "scale": level.scale and list(level.scale),
        "problem": None,
    }
    try:
        facts["shape"] = list(pyramid.level(number).spec.domain.shape)
    except VoxomeError as error:
        facts["problem"] = str(error)
    return facts
