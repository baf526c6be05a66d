"""Meshes, skeletons and annotations of a DVID version as sources: by instance, or from their labelmap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Annotations, AnnotationShape, Mesh, Skeleton
from voxome.contracts.source import MeshSource, PointsSource, SkeletonSource
from voxome.errors import InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.elements import Element, Point, element_rows
from voxome.remotes.dvid.instance import WORKERS, as_labels
from voxome.remotes.dvid.keyvalue import KeyValue
from voxome.remotes.dvid.lines import DvidLines
from voxome.remotes.dvid.morphology import EXTENSIONS, Meshes, Skeletons
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.parsing import parse_json
from voxome.remotes.dvid.points_writer import point_elements
from voxome.remotes.dvid.provenance import LoggedElements
from voxome.remotes.dvid.types import InstanceInfo
from voxome.remotes.http import fan_out

_BODY = "body"
"""Relation of an annotation to the body that contains it."""
_BITS = 21
"""Bits of a coordinate in the id of an annotation, which DVID identifies by its position."""
_LAST = (1 << 30) - 1
"""Largest coordinate of a query: DVID takes positions and sizes of 32 bits, with a sign."""


class _OfBodies:
    """Shapes of the bodies of a labelmap.

    Parameters
    ----------
    node : Node
        The version.
    segmentation : str
        Name of the labelmap.
    name : str
        URI, for messages.
    """

    def __init__(self, node: Node, segmentation: str, name: str) -> None:
        self._node, self._segmentation, self.name = node, segmentation, name


class DvidMeshes(_OfBodies):
    """Meshes of the bodies of a labelmap."""

    @cached_property
    def _meshes(self) -> Meshes:
        return Meshes(self._node, self._segmentation)

    def ids(self) -> NDArray[np.uint64]:
        return _ids(self._meshes.bodies, EXTENSIONS, self.name)

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        if lod != 0:
            raise NotFound(f"{self.name} has one level of detail, 0, not {lod}")
        return self._meshes.get(int(as_labels([id])[0]))


class DvidSkeletons(_OfBodies):
    """Skeletons of the bodies of a labelmap."""

    @cached_property
    def _skeletons(self) -> Skeletons:
        return Skeletons(self._node, self._segmentation)

    def ids(self) -> NDArray[np.uint64]:
        return _ids(self._skeletons.files, ("_swc",), self.name)

    def skeleton(self, id: int) -> Skeleton:
        return self._skeletons.get(int(as_labels([id])[0]))


class DvidPoints(LoggedElements):
    """Annotated points of an instance.

    The point of voxel i is its centre, ``(i + 1/2) * voxel_size_nm``. Its properties are ``kind``, ``confidence`` (NaN
    if missing) and ``tags`` (separated by commas); its id encodes its position, by which DVID identifies it.

    Parameters
    ----------
    node : Node
        The version.
    instance : str
        Name of the annotations.
    voxel_size_nm : (z, y, x)
        Size of their voxels.
    name : str
        URI, for messages.
    """

    shape: AnnotationShape = "point"
    relations: Sequence[str] = (_BODY,)

    def __init__(self, node: Node, instance: str, voxel_size_nm: tuple[float, float, float], name: str) -> None:
        self.name, self._elements = name, AnnotationInstance(node, instance)
        self._size = np.asarray(voxel_size_nm, np.float64)
        self.voxel_size_nm = voxel_size_nm

    def batches(self) -> Iterator[Annotations]:
        """Yield all annotations; their bodies are not among them, since DVID finds annotations by body only.

        Yields
        ------
        Annotations
        """
        yield self._annotations(self._elements.all())

    def write(self, annotations: Annotations) -> None:
        self._elements.post(point_elements(annotations, self.voxel_size_nm, self.name))

    def delete(self, ids: Iterable[int]) -> None:
        points = [position_of(id) for id in ids]
        self.get([self._id(point) for point in points])
        for point in points:
            self._elements.delete(point)

    @property
    def relation_versions(self) -> Mapping[str, Mapping[str, Any]]:
        """Empty: DVID finds bodies by position, in the version of its labels that is open."""
        return {}

    def set_relation_versions(self, versions: Mapping[str, Mapping[str, Any]]) -> None:
        """Do nothing: bodies are always those of the labels."""

    def fold(self) -> None:
        """Do nothing: DVID's indices have all edits."""

    def ids(self) -> NDArray[np.uint64]:
        return self._annotations(self._elements.all()).ids

    def get(self, ids: Iterable[int]) -> Annotations:
        points = [position_of(id) for id in ids]
        found = fan_out(lambda point: self._elements.within(Box.of_shape((1, 1, 1), point)), points, workers=WORKERS)
        absent = [point for point, elements in zip(points, found, strict=True) if not elements]
        if absent:
            raise NotFound(f"{self.name} has no annotation at {absent[0]} (z, y, x)")
        return self._annotations([element for elements in found for element in elements])

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        low, high = (np.ceil(np.asarray(at) / self._size - 0.5).clip(-_LAST, _LAST) for at in (start_nm, stop_nm))
        box = Box(tuple(low.astype(int)), tuple(np.maximum(low, high).astype(int)))
        return self._annotations(self._elements.within(box))

    def related(self, relation: str, label: int) -> Annotations:
        if relation != _BODY:
            raise UnknownName.of("relation", relation, self.relations)
        return self._annotations(self._elements.by_label(label))

    def _annotations(self, elements: Sequence[Element]) -> Annotations:
        rows = element_rows(elements)
        voxels = np.stack([rows[axis] for axis in "zyx"], axis=-1)
        found = Annotations(
            self.shape,
            np.array([self._id(element.position) for element in elements], np.uint64),
            ((voxels + 0.5) * self._size)[:, None],
            {
                "kind": rows["kind"],
                "confidence": rows["confidence"],
                "tags": np.array([",".join(element.tags) for element in elements], np.str_),
            },
        )
        return found.select(np.argsort(found.ids))

    def _id(self, position: Point) -> int:
        if not all(0 <= at < 1 << _BITS for at in position):
            raise UnsupportedFormat(
                f"{self.name} has an annotation at {position} (z, y, x); voxome reads them from 0 to {(1 << _BITS) - 1}"
            )
        z, y, x = position
        return z << 2 * _BITS | y << _BITS | x


def position_of(id: int) -> Point:
    """Return the position (z, y, x, in voxels) of the annotation `id`.

    Raises
    ------
    InvalidInput
        If it is not an id.
    """
    number, mask = int(as_labels([id])[0]), (1 << _BITS) - 1
    if number >= 1 << 3 * _BITS:
        raise InvalidInput(f"{id} is not the id of an annotation in DVID")
    return number >> 2 * _BITS, number >> _BITS & mask, number & mask


_Opener = type[DvidMeshes] | type[DvidSkeletons]
_OPENERS: Mapping[tuple[str, str], _Opener] = {
    ("keyvalue", "_meshes"): DvidMeshes,
    ("tarsupervoxels", "_sv_meshes"): DvidMeshes,
    ("keyvalue", "_skeletons"): DvidSkeletons,
}
"""Type and suffix of the name of an instance → class of its source."""

_NOUNS: Mapping[_Opener, str] = {DvidMeshes: "meshes", DvidSkeletons: "skeletons"}


_POINTS: Mapping[str, type[DvidPoints] | type[DvidLines]] = {"point": DvidPoints, "line": DvidLines}
"""``?shape=`` → class of the source of annotations."""


def noun_of(type_name: str, instance: str) -> str:
    """Return what an instance is called in a listing: meshes, skeletons or points, or its type."""
    found = _opener(type_name, instance)
    return ("points" if type_name == "annotation" else type_name) if found is None else _NOUNS[found[0]]


def open_resource(
    node: Node, instance: str, type_name: str, labels: str | None, name: str, shape: str = "point"
) -> MeshSource | SkeletonSource | PointsSource | None:
    """Open an instance that is not a volume; None if it holds neither meshes, skeletons nor annotations."""
    if type_name == "annotation":
        if shape not in _POINTS:
            raise UnknownName.of("shape of annotations in DVID", shape, _POINTS)
        return _POINTS[shape](node, instance, voxel_size_of(node, instance, labels, name), name)
    found = _opener(type_name, instance)
    return None if found is None else found[0](node, found[1], name)


def linked_source(node: Node, segmentation: str, protocol: type[Any], name: str) -> object:
    """Open the meshes or the skeletons of a labelmap, as `protocol` requires; None if they do not exist."""
    instances = node.instances()
    for (type_name, suffix), opener in _OPENERS.items():
        if issubclass(opener, protocol) and instances.get(segmentation + suffix) == type_name:
            return opener(node, segmentation, name)
    return None


def _opener(type_name: str, instance: str) -> tuple[_Opener, str] | None:
    for (expected, suffix), opener in _OPENERS.items():
        if type_name == expected and instance.endswith(suffix):
            return opener, instance.removesuffix(suffix)
    return None


def voxel_size_of(node: Node, instance: str, labels: str | None, name: str) -> tuple[float, float, float]:
    """Return the voxel size of the labels that annotations are synced with, or of those named by ``?labels=``."""
    instances = parse_json(node.api.send("GET", node.repo_path("info")), _parse_bases)
    synced = instances[instance].get("Syncs") or () if instance in instances else ()
    names = [key for key, base in instances.items() if key in synced or base.get("DataUUID") in synced]
    for key in [labels] if labels else names:
        if key not in instances:
            raise NotFound(f"{name}: this version has no instance {key}; name its labels, as in ?labels=segmentation")
        size = InstanceInfo.fetch(node, key, f"{name}: labels {key}").voxel_size_nm
        if size is not None:
            return size
    raise UnsupportedFormat(
        f"{name}: the voxel size of these annotations is unknown, as they are not synced with labels that have one; "
        "name some, as in ?labels=segmentation"
    )


def _parse_bases(reply: Any) -> dict[str, dict[str, Any]]:
    """Parse the JSON of a repo into the common part of the description of each instance."""
    return {name: dict(info["Base"]) for name, info in reply["DataInstances"].items()}


def _ids(files: KeyValue, suffixes: Sequence[str], name: str) -> NDArray[np.uint64]:
    """Return the ids in the keys of an instance, each a number and a suffix."""
    if files.name not in files.node.instances():
        raise UnsupportedFormat(f"{name}: DVID cannot list the files of supervoxels; request bodies one at a time")
    pattern = re.compile(rf"(\d{{1,20}})(?:{'|'.join(map(re.escape, suffixes))})")
    found = {int(match[1]) for match in map(pattern.fullmatch, files) if match}
    return np.array(sorted(id for id in found if id < 1 << 64), np.uint64)
