"""Meshes, skeletons and points of a store, by segment id or by position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Annotations, AnnotationShape, Mesh, Skeleton
from voxome.contracts.source import MeshSource, PointsSource, SkeletonSource


class Meshes:
    """The meshes of a segmentation: ``meshes[id]``.

    Parameters
    ----------
    source : MeshSource
        Reads them.
    uri : str
        For people to read.
    """

    def __init__(self, source: MeshSource, uri: str = "") -> None:
        self.source, self.uri = source, uri

    def __repr__(self) -> str:
        return f"<Meshes {self.uri}>"

    def __getitem__(self, id: int) -> Mesh:
        return self.source.mesh(id)

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all segments with a mesh, sorted; see `MeshSource.ids`."""
        return self.source.ids()

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        """Return the mesh of a segment at level of detail `lod`, 0 the finest; see `MeshSource.mesh`."""
        return self.source.mesh(id, lod)


class Skeletons:
    """The skeletons of a segmentation: ``skeletons[id]``.

    Parameters
    ----------
    source : SkeletonSource
        Reads them.
    uri : str
        For people to read.
    """

    def __init__(self, source: SkeletonSource, uri: str = "") -> None:
        self.source, self.uri = source, uri

    def __repr__(self) -> str:
        return f"<Skeletons {self.uri}>"

    def __getitem__(self, id: int) -> Skeleton:
        return self.source.skeleton(id)

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all segments with a skeleton, sorted; see `SkeletonSource.ids`."""
        return self.source.ids()

    def skeleton(self, id: int) -> Skeleton:
        """Return the skeleton of a segment; see `SkeletonSource.skeleton`."""
        return self.source.skeleton(id)


class Points:
    """Annotations of one collection: points, lines, boxes or ellipsoids.

    Parameters
    ----------
    source : PointsSource
        Reads them.
    uri : str
        For people to read.
    """

    def __init__(self, source: PointsSource, uri: str = "") -> None:
        self.source, self.uri = source, uri

    def __repr__(self) -> str:
        return f"<Points {self.uri} of shape {self.shape}>"

    def __getitem__(self, id: int) -> Annotations:
        return self.source.get([id])

    @property
    def shape(self) -> AnnotationShape:
        """Geometry of all annotations."""
        return self.source.shape

    @property
    def relations(self) -> Sequence[str]:
        """Names of the relations between annotations and labels."""
        return self.source.relations

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all annotations, sorted; see `PointsSource.ids`."""
        return self.source.ids()

    def get(self, ids: Iterable[int]) -> Annotations:
        """Return annotations by id, with their relations; see `PointsSource.get`."""
        return self.source.get(ids)

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        """Return the annotations that meet the box from `start_nm` to `stop_nm` (z, y, x, in nm).

        Raises
        ------
        UnsupportedFormat
            If the collection has no spatial index.
        """
        return self.source.within(start_nm, stop_nm)

    def related(self, relation: str, label: int) -> Annotations:
        """Return the annotations that `relation` joins to `label`; see `PointsSource.related`."""
        return self.source.related(relation, label)
