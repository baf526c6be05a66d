"""Writing of annotations: a store takes them batch by batch, and may let them be edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

from voxome.contracts.provenance import Provenance
from voxome.contracts.shapes import Annotations
from voxome.contracts.source import PointsSource
from voxome.contracts.uri import Uri


@dataclass(frozen=True, kw_only=True)
class PointsSpec:
    """A collection of annotations that is to be written.

    Attributes
    ----------
    voxel_size_nm : (z, y, x) or None
        Unit of the positions: that of the voxels they refer to, so that positions of voxels are exact; None for 1 nm.
    limit : int or None
        Largest number of annotations in a cell of a spatial index; None for that of the format.
    seed : int
        Seed of the random order in which annotations are shown, the first ones from afar.
    relation_versions : mapping of str to mapping
        By relation, the labels that its ids are of: their ``uri`` and ``version``.
    """

    voxel_size_nm: tuple[float, float, float] | None = None
    limit: int | None = None
    seed: int = 0
    relation_versions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PointsSummary:
    """What is known of a collection of annotations as a whole.

    Attributes
    ----------
    count : int or None
        Number of annotations; None if only reading all of them would tell.
    properties : mapping of str to str
        Name → dtype.
    bounds_nm : ((z, y, x), (z, y, x)) or None
        Corners of a box that contains all of them; None if there are none, or it is not known.
    """

    count: int | None
    properties: Mapping[str, str]
    bounds_nm: tuple[tuple[float, ...], tuple[float, ...]] | None


@runtime_checkable
class SupportsPointsSummary(Protocol):
    """A source of annotations that can be summarised without asking a server for all of them."""

    def summarise(self) -> PointsSummary:
        """Return what is known of the collection."""


class PointsWriter(Protocol):
    """Writes annotations of one geometry; nothing is seen of them before `finish`."""

    def __enter__(self) -> Self:
        """Return the writer."""

    def __exit__(self, *error: object) -> None:
        """Remove temporary files; without `finish`, whatever was written."""

    def write(self, annotations: Annotations) -> None:
        """Add annotations, with the geometry, properties and relations of all before.

        Raises
        ------
        InvalidInput
            If they differ in these, or their positions are not finite.
        UnsupportedFormat
            If the format cannot hold a property, or the positions.
        """

    def finish(self, provenance: Provenance | None, part: str | None = None) -> str:
        """Write all indices, and return the URI of the collection.

        Parameters
        ----------
        provenance : Provenance or None
            What made the annotations.
        part : str or None
            Name of this collection within the URI that was opened, if that gets several.

        Raises
        ------
        InvalidInput
            If an id occurs twice; then nothing is written.
        """


@runtime_checkable
class SupportsWritePoints(Protocol):
    """A remote that stores annotations."""

    def open_points_writer(self, uri: Uri, spec: PointsSpec) -> PointsWriter:
        """Open the writer of a new collection.

        Raises
        ------
        AlreadyExists
            If something is stored there.
        """


@runtime_checkable
class SupportsPointsFiles(Protocol):
    """A remote of single files of annotations, which their suffix recognises where annotations are expected."""

    @property
    def points_suffixes(self) -> tuple[str, ...]:
        """Ends of their names, in lower case: ``.parquet``."""


@runtime_checkable
class SupportsLimitedSearch(Protocol):
    """A source of annotations that finds out that there are too many before it has read them all."""

    def within_limit(self, start_nm: Sequence[float], stop_nm: Sequence[float], most: int) -> Annotations:
        """Return the annotations that meet a box, as `PointsSource.within`.

        Raises
        ------
        TooManyFound
            If there are more than `most`.
        """

    def related_limit(self, relation: str, label: int, most: int) -> Annotations:
        """Return the annotations that a relation joins to a label, as `PointsSource.related`.

        Raises
        ------
        TooManyFound
            If there are more than `most`.
        """


@runtime_checkable
class SupportsBatches(Protocol):
    """A source of annotations that yields all of them in bounded memory."""

    def batches(self) -> Iterator[Annotations]:
        """Yield all annotations with their relations, each once."""


@runtime_checkable
class SupportsUpdatePoints(Protocol):
    """A source of annotations that can be changed from what they are, while others edit them."""

    def update(self, ids: Iterable[int], change: Callable[[Annotations], Annotations]) -> int:
        """Write what `change` makes of annotations as they are at this moment, and return how many it returned.

        Ids of none are left out. `change` is called again if others edit at the same time.
        """


@runtime_checkable
class SupportsEditPoints(PointsSource, Protocol):
    """A source of annotations that can be edited; readers see edits at once."""

    def write(self, annotations: Annotations) -> None:
        """Add annotations, or replace those with the same ids."""

    def delete(self, ids: Iterable[int]) -> None:
        """Delete annotations.

        Raises
        ------
        NotFound
            If one does not exist; then none is deleted.
        """

    @property
    def relation_versions(self) -> Mapping[str, Mapping[str, Any]]:
        """By relation, the labels that its ids are of: their ``uri`` and ``version``; empty where this is not known."""

    def set_relation_versions(self, versions: Mapping[str, Mapping[str, Any]]) -> None:
        """Say of which labels the ids of relations are."""

    def fold(self) -> None:
        """Write edits that are kept beside the indices into these."""
