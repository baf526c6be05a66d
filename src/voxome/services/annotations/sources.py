"""What annotations are read from: objects, tables, stores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from voxome.contracts.points import SupportsPointsFiles
from voxome.contracts.provenance import InputRecord
from voxome.contracts.shapes import Annotations
from voxome.contracts.uri import Location, Uri, location_text
from voxome.errors import InvalidInput, describe_value
from voxome.resources.addresses import absolute_text
from voxome.resources.open import open
from voxome.resources.recognition import remotes_with
from voxome.resources.shapes import Points

AnnotationsLike = Location | Points | Annotations | Iterable[Annotations]
"""URI or path, annotations of a store, or in memory, or an iterator of parts."""


@dataclass(frozen=True)
class AnnotationsInput:
    """Annotations that are read once.

    Attributes
    ----------
    batches : iterator of Annotations
        All of them.
    voxel_size_nm : (z, y, x) or None
        Voxels that their positions refer to, if the source knows.
    records : tuple of InputRecord
        The source, for the provenance.
    """

    batches: Iterator[Annotations]
    voxel_size_nm: tuple[float, float, float] | None = None
    records: tuple[InputRecord, ...] = field(default=())


def open_annotations(source: AnnotationsLike) -> AnnotationsInput:
    """Return the annotations of a source.

    Raises
    ------
    InvalidInput
        If it is none.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri
    """
    if isinstance(source, Annotations):
        return AnnotationsInput(iter([source]))
    if isinstance(source, str | os.PathLike | Points):
        points = source if isinstance(source, Points) else open(with_scheme(source), expect=Points)
        size = getattr(points.source, "voxel_size_nm", None)
        return AnnotationsInput(points.batches(), size, (InputRecord("annotations", absolute_text(points.uri)),))
    if isinstance(source, Iterable):
        return AnnotationsInput(_checked(source))
    raise InvalidInput(
        f"source is {describe_value(source)}; expected a URI, a path of a .csv or .parquet file, Points, Annotations, "
        "or an iterator of Annotations"
    )


def with_scheme(location: Location) -> str:
    """Return the URI of annotations; the path of a table becomes one."""
    text = location_text(location)
    uri = Uri.parse(text)
    if uri.scheme:
        return text
    files = ((scheme, store.points_suffixes) for scheme, store in remotes_with(SupportsPointsFiles))
    scheme = next((scheme for scheme, suffixes in files if uri.path.lower().endswith(suffixes)), None)
    return text if scheme is None else f"{scheme}://{text}"


def _checked(parts: Iterable[Annotations]) -> Iterator[Annotations]:
    for part in parts:
        if not isinstance(part, Annotations):
            raise InvalidInput(f"an iterator of annotations gave {describe_value(part)}; expected voxome.Annotations")
        yield part
