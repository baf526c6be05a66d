"""Remotes and the sources that they open: volumes, meshes, skeletons and points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Annotations, AnnotationShape, Mesh, Skeleton
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.geometry import Box
from voxome.geometry.notation import comma_text

Mode = Literal["r", "r+"]
"""Read only, or read and write existing data."""


@dataclass(frozen=True)
class Version:
    """State of an array as its store reports it.

    Attributes
    ----------
    token : str
        Equal for equal states.
    pinned : bool
        Whether the data under this token never change, so that results computed from them may be reused in other
        runs. A token that is not pinned (a time, a size) is a hint only.
    covers_voxels : bool
        Whether the token changes with any voxel, as that of all files of an array does; a pinned one need not.
    """

    token: str
    pinned: bool
    covers_voxels: bool = False


@dataclass(frozen=True)
class ResourceInfo:
    """One entry of a listing.

    Attributes
    ----------
    uri : str
        Opens it, or lists it.
    type : str
        ``volume``, ``meshes``, ``skeletons``, ``points``, or what the store calls it.
    description : str
        For people to read.
    dtype, shape : str and tuple of int, optional
        Data type and shape of a volume, if the listing reads its metadata.
    """

    uri: str
    type: str
    description: str = ""
    dtype: str | None = None
    shape: tuple[int, ...] | None = None

    @classmethod
    def of_volume(
        cls, uri: str, dtype: str, shape: Sequence[int], start: Sequence[int] = (), note: str = ""
    ) -> ResourceInfo:
        """Return the entry of a volume; its description is note, dtype, shape, and first index unless that is 0."""
        position = f"from {comma_text(start)}" if any(start) else ""
        description = " ".join(filter(None, (note, dtype, comma_text(shape), position)))
        return cls(uri, "volume", description, dtype, tuple(shape))

    @classmethod
    def of_spec(cls, uri: str, spec: VolumeSpec, note: str = "") -> ResourceInfo:
        """Return the entry of a volume that was opened."""
        return cls.of_volume(uri, str(spec.dtype), spec.domain.shape, spec.domain.start, note)


@runtime_checkable
class VolumeSource(Protocol):
    """One array, in the store's own coordinates. Methods may be called from several threads."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    @property
    def concurrent_writers(self) -> bool:
        """Whether several processes may write different chunks at once."""

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read `box`, into `out` if it is not None.

        Raises
        ------
        InvalidBox
            If the box leaves the domain.
        CorruptData, StoreError
            If stored voxels cannot be read; zeros are never returned instead.
        """

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `data`, of the box's shape. Afterwards a new reader sees it, and ``kill -9`` does not lose it."""

    def version(self) -> Version:
        """Return the state of the array."""


@runtime_checkable
class MeshSource(Protocol):
    """Meshes by segment id. Methods may be called from several threads."""

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all segments with a mesh, sorted.

        Raises
        ------
        UnsupportedFormat
            If the store cannot list them.
        """

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        """Return the mesh of a segment at level of detail `lod`, 0 the finest.

        Raises
        ------
        NotFound
            If the segment has no mesh, or none at that level.
        """


@runtime_checkable
class SkeletonSource(Protocol):
    """Skeletons by segment id. Methods may be called from several threads."""

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all segments with a skeleton, sorted.

        Raises
        ------
        UnsupportedFormat
            If the store cannot list them.
        """

    def skeleton(self, id: int) -> Skeleton:
        """Return the skeleton of a segment.

        Raises
        ------
        NotFound
            If it has none.
        """


@runtime_checkable
class PointsSource(Protocol):
    """Annotations: points, lines, boxes or ellipsoids. Methods may be called from several threads."""

    @property
    def shape(self) -> AnnotationShape:
        """Geometry of all annotations."""

    @property
    def relations(self) -> Sequence[str]:
        """Names of the relations between annotations and labels."""

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all annotations, sorted.

        Raises
        ------
        UnsupportedFormat
            If the store cannot list them.
        """

    def get(self, ids: Iterable[int]) -> Annotations:
        """Return annotations by id, sorted, with their relations.

        Raises
        ------
        NotFound
            If one does not exist.
        """

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        """Return the annotations that meet the box from `start_nm` to `stop_nm` (z, y, x), sorted by id."""

    def related(self, relation: str, label: int) -> Annotations:
        """Return the annotations that `relation` joins to `label`, sorted by id; none for an unknown label.

        Raises
        ------
        UnknownName
            If the relation does not exist.
        """


Source = VolumeSource | MeshSource | SkeletonSource | PointsSource
"""Anything that a remote opens."""


class VolumeView(Protocol):
    """A volume as a tool with random access sees it."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    def cutout(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`, in the store's coordinates."""


class Remote(Protocol):
    """One store, found by the scheme of its URIs."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> Source:
        """Open the resource at `uri`.

        Raises
        ------
        NotFound
            If nothing is stored there.
        UnsupportedFormat
            If it is stored in a way that this remote does not read; the message names it.
        """

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        """List the resources under `uri`."""


class VolumeRemote(Remote, Protocol):
    """A store of nothing but volumes."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> VolumeSource:
        """Open the volume at `uri`."""
