"""Writing of meshes and skeletons: a store takes those of a group of ids at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from voxome.contracts.formats import PRIVATE
from voxome.contracts.provenance import Provenance
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.uri import Uri
from voxome.geometry import Box

RECORD = f"{PRIVATE}/shapes.json"
"""File in a folder of shapes, with the step of a run that it belongs to: the run has checked this, and may resume."""


@dataclass(frozen=True, kw_only=True)
class ShapesSpec:
    """Meshes or skeletons that are to be written.

    Attributes
    ----------
    groups : int
        Number of groups of ids, a power of two; `voxome.contracts.id_groups.group_of` assigns them.
    voxel_size_nm : (z, y, x)
        Voxel size of the labels that they are of.
    domain : Box
        All voxels of these labels, in the coordinates of their store.
    options : mapping of str to JSON values
        Options of the format, such as ``{"format": "multires", "bits": 16}``.
    """

    groups: int
    voxel_size_nm: tuple[float, float, float]
    domain: Box
    options: Mapping[str, Any] = field(default_factory=dict)


class MeshWriter(Protocol):
    """Writes meshes, in several processes at once, each of them other groups."""

    def write_group(self, group: int, meshes: Iterable[tuple[int, Sequence[Mesh]]]) -> None:
        """Write all meshes of a group, and replace what an earlier attempt has left of it.

        Parameters
        ----------
        group : int
            Number of the group.
        meshes : iterable of (id, meshes)
            Ids in ascending order, and the levels of detail of each, finest first.
        """

    def finish(self, provenance: Provenance | None) -> None:
        """Complete the folder, after all groups are written; may be repeated."""


class SkeletonWriter(Protocol):
    """Writes skeletons, in several processes at once, each of them other groups."""

    def write_group(self, group: int, skeletons: Iterable[tuple[int, Skeleton]]) -> None:
        """Write all skeletons of a group, with ids in ascending order; see `MeshWriter.write_group`."""

    def finish(self, provenance: Provenance | None) -> None:
        """Complete the folder, after all groups are written; may be repeated."""


@runtime_checkable
class SupportsWriteMeshes(Protocol):
    """A remote that stores meshes."""

    def check_meshes(self, uri: Uri, spec: ShapesSpec) -> None:
        """Check that meshes can be written there; nothing is created. Called again when an interrupted run resumes.

        Raises
        ------
        AlreadyExists
            If something else is stored there.
        InvalidInput
            If an option is unknown or has an invalid value.
        """

    def open_mesh_writer(self, uri: Uri, spec: ShapesSpec) -> MeshWriter:
        """Open the writer of meshes, where `check_meshes` had no objection."""

    def foreign_names(self, uri: Uri) -> Sequence[str]:
        """Return the names in a folder of shapes that no writer of this remote, of whatever options, has written."""


@runtime_checkable
class SupportsWriteSkeletons(Protocol):
    """A remote that stores skeletons."""

    def check_skeletons(self, uri: Uri, spec: ShapesSpec) -> None:
        """Check that skeletons can be written there; see `SupportsWriteMeshes.check_meshes`."""

    def open_skeleton_writer(self, uri: Uri, spec: ShapesSpec) -> SkeletonWriter:
        """Open the writer of skeletons, where `check_skeletons` had no objection."""

    def foreign_names(self, uri: Uri) -> Sequence[str]:
        """Return the names that no writer has written; see `SupportsWriteMeshes.foreign_names`."""
