"""Contents of a precomputed folder: voxels, meshes, skeletons, annotations or properties of segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from voxome.contracts.listing import entry_of, unreadable_entry
from voxome.contracts.source import MeshSource, Mode, PointsSource, ResourceInfo, SkeletonSource
from voxome.errors import CorruptData, UnsupportedFormat, VoxomeError
from voxome.remotes.json_members import problem_of
from voxome.remotes.precomputed.annotation_source import PrecomputedAnnotations
from voxome.remotes.precomputed.folders import INFO, ShapeFolder
from voxome.remotes.precomputed.info import Json, check, check_members, parsing, scales_by_size, whole_numbers
from voxome.remotes.precomputed.meshes import MULTIRESOLUTION, open_meshes
from voxome.remotes.precomputed.skeletons import PrecomputedSkeletons
from voxome.storage.inside import inside
from voxome.storage.json_store import read_json
from voxome.storage.path import StoragePath

ShapeSource = MeshSource | SkeletonSource | PointsSource

VOLUME = "neuroglancer_multiscale_volume"
"""Type of the content, which the metadata of a volume may leave out."""

LEGACY_MESHES = "neuroglancer_legacy_mesh"
SKELETONS = "neuroglancer_skeletons"
ANNOTATIONS = "neuroglancer_annotations_v1"
PROPERTIES = "neuroglancer_segment_properties"

LINKS: Mapping[str, tuple[str, str]] = {
    "mesh": (LEGACY_MESHES, "meshes"),
    "skeletons": (SKELETONS, "skeletons"),
    "segment_properties": (PROPERTIES, "segment properties"),
}
"""Key of a volume's metadata that names a folder → type of its content if that has no metadata, and what to call it."""

NOUNS: Mapping[str, str] = {
    VOLUME: "volume",
    LEGACY_MESHES: "meshes",
    MULTIRESOLUTION: "meshes",
    SKELETONS: "skeletons",
    ANNOTATIONS: "points",
    PROPERTIES: "segment properties",
}
"""Type of the content → what a listing calls it."""

_OPENERS: Mapping[str, Callable[[ShapeFolder], ShapeSource]] = {
    LEGACY_MESHES: open_meshes,
    MULTIRESOLUTION: open_meshes,
    SKELETONS: PrecomputedSkeletons,
    ANNOTATIONS: PrecomputedAnnotations,
}


def type_of(info: Mapping[str, Any]) -> str:
    """Return the ``@type`` of a folder, which volumes may leave out."""
    return str(info.get("@type", VOLUME))


def read_layer(folder: StoragePath) -> Json | None:
    """Return the metadata of a folder of any type; None if it has none.

    A folder of meshes or skeletons may lack metadata, or their type; the volume above it then determines its type.
    """
    info = read_json(folder, INFO) or {}
    if "scales" in info or str(info.get("@type", "")).startswith("neuroglancer_"):
        return info
    volume = None if folder.parent is None else _volume_above(folder.parent)
    link = next((key for key in LINKS if volume is not None and volume.get(key) == folder.name), None)
    return None if link is None else {"@type": LINKS[link][0], **info}


def _volume_above(folder: StoragePath) -> Json | None:
    try:
        return read_json(folder, INFO)
    except VoxomeError:
        return None


def open_shapes(folder: StoragePath, info: Json, name: str, mode: Mode = "r") -> ShapeSource:
    """Open a folder that is not a volume.

    Raises
    ------
    UnsupportedFormat
        If its type is unknown, or its metadata do not follow the format.
    """
    kind = type_of(info)
    if kind == PROPERTIES:
        raise UnsupportedFormat(
            f"{name} contains segment properties, which viewers read and voxome only writes and lists; "
            "`voxome.regions` and its tables in Parquet have such numbers, and `voxome.provenance` says what made these"
        )
    if kind not in _OPENERS:
        raise UnsupportedFormat(f"{name} contains {kind}; voxome opens {', '.join([VOLUME, *_OPENERS])}")
    try:
        return _OPENERS[kind](ShapeFolder(folder, info, name, mode))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, VoxomeError):
            raise
        raise UnsupportedFormat(f"{name}: its info file does not follow the format: {problem_of(error)}") from error


def open_link(volume: StoragePath, info: Mapping[str, Any], key: str) -> ShapeSource | None:
    """Open the folder that ``info[key]`` of a volume names; None if it names none."""
    link = info.get(key)
    if not link:
        return None
    folder = inside(volume, str(link))
    found = {"@type": LINKS[key][0], **(read_json(folder, INFO) or {})}
    return open_shapes(folder, found, folder.uri("precomputed"))


def list_layer(folder: StoragePath, info: Json) -> Iterator[ResourceInfo]:
    """List a folder, and the folders that a volume's metadata name."""
    noun = NOUNS.get(type_of(info))
    if noun is not None:
        yield entry_of(folder.uri("precomputed"), partial(_entry, info, noun), noun)
    for key, (_, linked) in LINKS.items():
        if info.get(key) and type_of(info) == VOLUME:
            try:
                yield ResourceInfo(inside(folder, str(info[key])).uri("precomputed"), linked)
            except CorruptData as error:
                yield unreadable_entry(folder.uri("precomputed"), error, linked)


def _entry(info: Json, noun: str, uri: str) -> ResourceInfo:
    if type_of(info) != VOLUME:
        return ResourceInfo(uri, noun, str(info.get("annotation_type", "")).lower())
    check(info, uri)
    with parsing(uri):
        whole, number = whole_numbers(info), scales_by_size(info)[0]
        check_members(whole, number)
        finest = whole["scales"][number]
        start = tuple(reversed(finest.get("voxel_offset") or ()))
        return ResourceInfo.of_volume(uri, whole["data_type"], tuple(reversed(finest["size"])), start)
