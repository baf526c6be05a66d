"""What the API does: each operation with its query and its answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, TypeVar, cast

import numpy as np
from pydantic import BaseModel

from voxome.contracts.source import MeshSource, SkeletonSource, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, NotFound, TooManyFound
from voxome.geometry import Box
from voxome.relay.accounts import Caller
from voxome.relay.collections import PermittedCollections
from voxome.relay.dialects.api import collection_search, models
from voxome.relay.dialects.api.region import measure
from voxome.relay.look_ups import SearchedLevel
from voxome.relay.permitted import PermittedSources
from voxome.relay.request_errors import TooLarge
from voxome.resources.local_ids import find_bounding_box, find_ids

MOST_VERTICES = 200_000
"""Vertices or nodes of a shape that is sent as JSON."""
SEARCHED = 8
"""Largest cutouts that one look-up may search."""


@dataclass(frozen=True)
class Call:
    """A request of a caller.

    Attributes
    ----------
    sources : PermittedSources
        Sources of the caller.
    collections : PermittedCollections
        Annotations of the caller.
    caller : Caller
        Sender of the request.
    largest_bytes : int
        Limit of a cutout.
    addresses : function
        Returns the addresses of a source, by API.
    gone : Event
        Set when the client has left.
    """

    sources: PermittedSources
    collections: PermittedCollections
    caller: Caller
    largest_bytes: int
    addresses: Callable[[str], Mapping[str, str]]
    gone: Event


@dataclass(frozen=True)
class Operation:
    """One path of the API.

    Attributes
    ----------
    path : str
        Below the address of the relay.
    query : type
        Model of its query.
    answer : type or mapping of str to str
        Model of what it answers, or media types of bytes with what they are.
    respond : function
        Answers a request.
    is_costly : bool
        Whether it may take long.
    is_personal : bool
        Whether the answer depends on the caller, so that no shared cache keeps it.
    """

    path: str
    query: type[BaseModel]
    answer: type[BaseModel] | Mapping[str, str]
    respond: Callable[[Call, Any], BaseModel | tuple[bytes, str]]
    is_costly: bool = False
    is_personal: bool = False


def list_sources(call: Call, query: models.NoQuery) -> models.SourceNames:
    """List the sources that the caller may read."""
    return models.SourceNames(sources=list(call.sources))


def describe_source(call: Call, query: models.SourceQuery) -> models.Source:
    """Describe a source: its levels, and its addresses in all APIs."""
    name, sources = query.source, call.sources
    specs = [sources.spec(name, level=number) for number in range(sources.level_count(name))]
    return models.Source(
        name=name, axes=list(specs[0].axes), dtype=specs[0].dtype.name, kind=specs[0].kind,
        writable=sources.rights(name).may_write(call.caller), levels=[_level(*one) for one in enumerate(specs)],
        addresses=dict(call.addresses(name)),
    )  # fmt: skip


def cut_out(call: Call, query: models.CutoutQuery) -> tuple[bytes, str]:
    """Send the voxels of a box, whole or a range of the bytes."""
    spec = call.sources.spec(query.source, level=query.level)
    box = _box(query.box, spec)
    _require_bytes(box, spec, call.largest_bytes)
    voxels = call.sources.read(query.source, box, level=query.level)
    voxels = voxels.astype(voxels.dtype.newbyteorder("<"), copy=False)
    if query.format == "raw":
        return voxels.tobytes(), "application/octet-stream"
    stream = io.BytesIO()
    np.save(stream, voxels, allow_pickle=False)
    return stream.getvalue(), "application/x-npy"


def list_ids(call: Call, query: models.BoxQuery) -> models.Ids:
    """List the ids of the segments in a box, without 0."""
    level = _labels(call, query.source, query.level)
    box = _box(query.box, level.spec)
    _require_bytes(box, level.spec, call.largest_bytes)
    ids = find_ids(cast(VolumeSource, level), query.source, box)
    return models.Ids(ids=[str(id) for id in ids.tolist()])


def find_box(call: Call, query: models.SegmentQuery) -> models.BoundingBox:
    """Find the bounding box of a segment."""
    level = _searched(call, query)
    box = find_bounding_box(cast(VolumeSource, level), query.source, int(query.id))
    return models.BoundingBox(id=query.id, level=query.level, start=list(box.start), stop=list(box.stop))


def measure_region(call: Call, query: models.SegmentQuery) -> models.Region:
    """Measure a segment: its voxels, volume, centroid and bounding box."""
    level = _searched(call, query)
    found = measure(cast(VolumeSource, level), query.source, int(query.id))
    return models.Region(id=query.id, level=query.level, **found)


def get_mesh(call: Call, query: models.ShapeQuery) -> models.MeshShape:
    """Send the mesh of a segment, where the store has meshes."""
    mesh = _shape(call, query, MeshSource, lambda source: source.mesh(int(query.id)), "meshes")
    _require_vertices(len(mesh.vertices_nm), query)
    return models.MeshShape.model_construct(
        id=query.id, vertices_nm=mesh.vertices_nm.tolist(), faces=mesh.faces.tolist()
    )


def get_skeleton(call: Call, query: models.ShapeQuery) -> models.SkeletonShape:
    """Send the skeleton of a segment, where the store has skeletons."""
    skeleton = _shape(call, query, SkeletonSource, lambda source: source.skeleton(int(query.id)), "skeletons")
    _require_vertices(len(skeleton.nodes_nm), query)
    return models.SkeletonShape.model_construct(
        id=query.id,
        nodes_nm=skeleton.nodes_nm.tolist(),
        edges=skeleton.edges.tolist(),
        radii_nm=skeleton.radii_nm.tolist(),
    )


def list_collections(call: Call, query: models.NoQuery) -> models.CollectionNames:
    """List the collections of annotations that the caller may read."""
    return models.CollectionNames(collections=list(call.collections))


def describe_collection(call: Call, query: models.CollectionQuery) -> models.Collection:
    """Describe a collection of annotations: its geometry, properties and relations."""
    return call.collections.use(query.collection, partial(collection_search.describe, query.collection))


def find_annotations(call: Call, query: models.AnnotationsQuery) -> models.Annotations:
    """Find annotations by their ids, in a box, or of a segment."""
    try:
        found = call.collections.use(query.collection, partial(collection_search.find, query))
    except TooManyFound as error:
        raise TooLarge(str(error)) from error
    return collection_search.to_model(query.collection, found)


_VOXELS = {"application/x-npy": "An array.", "application/octet-stream": "Voxels in C order, little-endian."}
OPERATIONS = (
    Operation("/api/sources", models.NoQuery, models.SourceNames, list_sources, is_personal=True),
    Operation("/api/source", models.SourceQuery, models.Source, describe_source, is_personal=True),
    Operation("/api/cutout", models.CutoutQuery, _VOXELS, cut_out),
    Operation("/api/ids", models.BoxQuery, models.Ids, list_ids, is_costly=True),
    Operation("/api/bounding-box", models.SegmentQuery, models.BoundingBox, find_box, is_costly=True),
    Operation("/api/region", models.SegmentQuery, models.Region, measure_region, is_costly=True),
    Operation("/api/mesh", models.ShapeQuery, models.MeshShape, get_mesh),
    Operation("/api/skeleton", models.ShapeQuery, models.SkeletonShape, get_skeleton),
    Operation("/api/collections", models.NoQuery, models.CollectionNames, list_collections, is_personal=True),
    Operation("/api/collection", models.CollectionQuery, models.Collection, describe_collection),
    Operation("/api/annotations", models.AnnotationsQuery, models.Annotations, find_annotations, is_costly=True),
)
"""All operations; the OpenAPI document is written from them."""

_Shape = TypeVar("_Shape")


def _level(number: int, spec: VolumeSpec) -> models.Level:
    return models.Level(
        level=number, start=list(spec.domain.start), stop=list(spec.domain.stop),
        chunk=None if spec.read_chunk is None else list(spec.read_chunk),
        voxel_size_nm=None if spec.voxel_size_nm is None else list(spec.voxel_size_nm), offset_nm=list(spec.offset_nm),
    )  # fmt: skip


def _box(text: str, spec: VolumeSpec) -> Box:
    box = Box.parse(text, spec.domain)
    if box not in spec.domain:
        raise InvalidInput(f"box {box} is not inside {spec.domain} ({', '.join(spec.axes)})")
    return box


def _require_bytes(box: Box, spec: VolumeSpec, most: int) -> None:
    if box.size * spec.dtype.itemsize > most:
        raise TooLarge(f"box {box} is over {most} bytes; give a smaller box, or a coarser level")


def _labels(call: Call, name: str, number: int) -> SearchedLevel:
    level = SearchedLevel(call.sources, name, number, call.gone)
    if level.spec.kind != "labels" or level.spec.dtype.kind not in "uib":
        raise InvalidInput(f"{name} has no labels; it is of kind {level.spec.kind}, dtype {level.spec.dtype.name}")
    return level


def _searched(call: Call, query: models.SegmentQuery) -> SearchedLevel:
    """Return the level in which a segment is looked for, cut to the box of the query."""
    level = _labels(call, query.source, query.level)
    if query.box is not None:
        level.spec = level.spec.replace(domain=_box(query.box, level.spec))
    _require_bytes(level.spec.domain, level.spec, SEARCHED * call.largest_bytes)
    return level


def _shape(
    call: Call, query: models.ShapeQuery, protocol: type[Any], read: Callable[[Any], _Shape], what: str
) -> _Shape:
    shape = call.sources.use(query.source, protocol, read)
    if shape is None:
        raise NotFound(f"the store of {query.source} has no {what}")
    return shape


def _require_vertices(count: int, query: models.ShapeQuery) -> None:
    if count > MOST_VERTICES:
        raise TooLarge(
            f"{query.id} has {count} vertices, over {MOST_VERTICES}; read precomputed/{query.source} instead"
        )
