"""Meshes and skeletons as the files of a format, none of which is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from voxome.contracts.shapes import Mesh, Skeleton

Shape = TypeVar("Shape", Mesh, Skeleton, contravariant=True)


class EncodedShapes(Protocol[Shape]):
    """The files of a folder of shapes, by their paths below it."""

    def metadata(self) -> Mapping[str, bytes]:
        """Return path → content of the files that describe the folder."""

    def find(self, path: str) -> int | None:
        """Return the id of the shape to which a file belongs; None if no shape has such a file."""

    def encode(self, path: str, shape: Shape) -> bytes:
        """Return the content of a file of a shape."""


@runtime_checkable
class SupportsEncodedShapes(Protocol):
    """A remote that tells which files meshes and skeletons would be in its format."""

    def mesh_files(self) -> EncodedShapes[Mesh]:
        """Return the files of meshes in one level of detail."""

    def skeleton_files(self) -> EncodedShapes[Skeleton]:
        """Return the files of skeletons with their radii; other attributes are left out."""


@runtime_checkable
class SupportsSegmentProperties(Protocol):
    """A source of labels whose store keeps properties of the segments as Neuroglancer reads them."""

    def read_segment_properties(self) -> Mapping[str, Any] | None:
        """Return the content of their ``info`` file; None if there are none."""
