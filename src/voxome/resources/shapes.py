"""Meshes, skeletons and points of a store, by segment id or by position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_construction
from voxome.contracts.arguments import (
    is_whole,
    require_count,
    require_counts,
    require_id,
    require_positions_in_order,
    require_text,
)
from voxome.contracts.points import PointsSummary, SupportsBatches, SupportsEditPoints, SupportsPointsSummary
from voxome.contracts.provenance import Provenance
from voxome.contracts.shapes import Annotations, AnnotationShape, Mesh, Skeleton
from voxome.contracts.source import MeshSource, PointsSource, SkeletonSource
from voxome.errors import InvalidInput, NotFound, UnsupportedFormat, describe_value
from voxome.resources.provenance import read_provenance

_BATCH = 1 << 16
"""Annotations that are read at once."""

Shape = TypeVar("Shape")
S = TypeVar("S", bound=MeshSource | SkeletonSource | PointsSource)


@explain_construction
class _Stored(Generic[S]):
    """Shapes of a store.

    Parameters
    ----------
    source : MeshSource, SkeletonSource or PointsSource
        Reads them.
    uri : str
        Their URI, for people to read.

    Raises
    ------
    InvalidInput
        If the source cannot be read: a URI is opened by `voxome.open`.
    """

    def __init__(self, source: S, uri: str = "") -> None:
        if not callable(getattr(source, "ids", None)):
            raise InvalidInput(f"{describe_value(source)} is not a source of shapes; open them with voxome.open(URI)")
        self.source, self.uri = source, uri

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.uri or 'of an array'}>"

    @property
    def provenance(self) -> Provenance | None:
        """What made them, as far as it is known: the last entry of `voxome.provenance`."""
        return next(reversed(read_provenance(self.source)), None)

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all segments with a shape, or of all annotations, sorted."""
        return self.source.ids()


class _ById(_Stored[S], Mapping[int, Shape], Generic[S, Shape]):
    """Shapes by segment id, a mapping: each is read when it is wanted."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids().tolist())

    def __len__(self) -> int:
        return len(self.ids())

    def __contains__(self, id: object) -> bool:
        if not is_whole(id) or not 0 <= int(id) < 2**64:
            return False
        ids = self.ids()
        at = np.searchsorted(ids, np.uint64(int(id)))
        return bool(at < len(ids) and ids[at] == int(id))

    def get(self, id: int, default: Any = None) -> Any:
        """Return the shape of a segment, or `default` if it has none."""
        try:
            return self[id]
        except NotFound:
            return default


class Meshes(_ById[MeshSource, Mesh]):
    """The meshes of a segmentation, by id: ``meshes[id]``, ``len(meshes)``, ``meshes.items()``."""

    def __getitem__(self, id: int) -> Mesh:
        return self.mesh(id)

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        """Return the mesh of a segment at level of detail `lod`, 0 the finest; see `MeshSource.mesh`."""
        return self.source.mesh(require_id("id", id), require_count("lod", lod, 0))


class Skeletons(_ById[SkeletonSource, Skeleton]):
    """The skeletons of a segmentation, by id: ``skeletons[id]``, ``len(skeletons)``, ``skeletons.items()``."""

    def __getitem__(self, id: int) -> Skeleton:
        return self.skeleton(id)

    def skeleton(self, id: int) -> Skeleton:
        """Return the skeleton of a segment; see `SkeletonSource.skeleton`."""
        return self.source.skeleton(require_id("id", id))


class Points(_Stored[PointsSource]):
    """Annotations of one collection: points, lines, boxes or ellipsoids."""

    def __repr__(self) -> str:
        return f"<Points {self.uri} of shape {self.shape}>"

    def __getitem__(self, id: int) -> Annotations:
        return self.get([id])

    @property
    def shape(self) -> AnnotationShape:
        """Geometry of all annotations."""
        return self.source.shape

    @property
    def relations(self) -> Sequence[str]:
        """Names of the relations between annotations and labels."""
        return self.source.relations

    def get(self, ids: Iterable[int]) -> Annotations:
        """Return annotations by id, with their relations; see `PointsSource.get`."""
        return self._marked(self.source.get(require_counts("ids", ids)))

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        """Return the annotations that meet the box from `start_nm` to `stop_nm` (z, y, x, in nm), half-open.

        Raises
        ------
        InvalidBox
            If a start is above its stop.
        UnsupportedFormat
            If the collection has no spatial index.
        """
        start, stop = require_positions_in_order(start_nm, stop_nm)
        return self._marked(self.source.within(start, stop))

    def related(self, relation: str, label: int) -> Annotations:
        """Return the annotations that `relation` joins to `label`; see `PointsSource.related`."""
        return self._marked(self.source.related(require_text("relation", relation), require_count("label", label, 0)))

    def _marked(self, found: Annotations) -> Annotations:
        """Return annotations with what made them."""
        return found if found.provenance is not None else found.replace(provenance=self._made)

    @cached_property
    def _made(self) -> Provenance | None:
        return self.provenance

    def summarise(self) -> PointsSummary:
        """Return the number of annotations, their properties and their bounds, as far as the store knows."""
        if isinstance(self.source, SupportsPointsSummary):
            return self.source.summarise()
        return PointsSummary(count=None, properties={}, bounds_nm=None)

    def batches(self) -> Iterator[Annotations]:
        """Yield all annotations with their relations, in parts of bounded size.

        Yields
        ------
        Annotations
        """
        if isinstance(self.source, SupportsBatches):
            yield from self.source.batches()
            return
        ids = self.source.ids()
        for start in range(0, max(1, len(ids)), _BATCH):
            yield self.source.get(ids[start : start + _BATCH].tolist())

    def write(self, annotations: Annotations) -> None:
        """Add annotations, or replace those with the same ids; every reader sees them at once.

        Precomputed annotations keep edits in a small table beside their indices, until they are folded into them.

        Parameters
        ----------
        annotations : Annotations
            With the geometry, the properties and the relations of the collection.

        Raises
        ------
        InvalidInput
            If they have others.
        ReadOnly
            If the collection is not open with ``mode="r+"``.
        UnsupportedFormat
            If its store cannot be edited.

        Examples
        --------
        >>> points = voxome.open("precomputed://synapses", mode="r+")         # doctest: +SKIP
        >>> points.write(points[7].replace(properties={"score": [0.9]}))     # doctest: +SKIP
        """
        if not isinstance(annotations, Annotations):
            raise InvalidInput(f"annotations is {describe_value(annotations)}; expected voxome.Annotations")
        self._editable().write(annotations)

    def delete(self, ids: Iterable[int]) -> None:
        """Delete annotations; no reader finds them afterwards.

        Raises
        ------
        NotFound
            If one does not exist; then none is deleted.
        ReadOnly, UnsupportedFormat
            As of `write`.
        """
        self._editable().delete(require_counts("ids", ids))

    def fold(self) -> None:
        """Write the edits that are kept beside the indices into these, in bounded memory; readers may go on meanwhile.

        Raises
        ------
        ReadOnly, UnsupportedFormat
            As of `write`.
        """
        self._editable().fold()

    @property
    def relation_versions(self) -> Mapping[str, Mapping[str, Any]]:
        """By relation, the labels that its ids are of: their ``uri`` and ``version``; empty where this is not known."""
        return self.source.relation_versions if isinstance(self.source, SupportsEditPoints) else {}

    def set_relation_versions(self, versions: Mapping[str, Mapping[str, Any]]) -> None:
        """Say of which labels the ids of relations are; see `relation_versions`."""
        self._editable().set_relation_versions(versions)

    def _editable(self) -> SupportsEditPoints:
        if not isinstance(self.source, SupportsEditPoints):
            raise UnsupportedFormat(
                f"{self.uri} cannot be edited; annotations of precomputed:// (local or in a bucket) and dvid:// can"
            )
        return self.source
