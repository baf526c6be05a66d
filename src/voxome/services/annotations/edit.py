"""Edit stored annotations."""

from __future__ import annotations

from collections.abc import Iterable

from voxome.contracts.uri import Location
from voxome.resources.open import open
from voxome.resources.shapes import Points
from voxome.resources.volume_like import VolumeLike
from voxome.services.annotations.relate import relate_annotations
from voxome.services.annotations.sources import AnnotationsLike, open_annotations, with_scheme


def edit_annotations(
    uri: Location,
    *,
    write: AnnotationsLike | None = None,
    delete: Iterable[int] = (),
    relate: VolumeLike | None = None,
    fold: bool = False,
) -> int:
    """Write and delete annotations of a collection, and fold its edits into its indices.

    Parameters
    ----------
    uri : str or path
        The collection.
    write : str, path, Points, Annotations or iterator of Annotations, optional
        Annotations to add, or to replace those with the same ids.
    delete : iterable of int
        Ids of annotations to delete.
    relate : str, path, Volume or array, optional
        Labels, to whose segments they are related afterwards; see `relate_annotations`.
    fold : bool
        Whether edits are then written into the indices.

    Returns
    -------
    int
        Number of annotations that were written, deleted or got other segments.

    Raises
    ------
    NotFound, InvalidInput, UnsupportedFormat
        As of `Points.write` and `Points.delete`.
    """
    points = open(with_scheme(uri), expect=Points, mode="r+")
    count = 0
    if write is not None:
        for batch in open_annotations(write).batches:
            points.write(batch)
            count += len(batch)
    gone = list(delete)
    if gone:
        points.delete(gone)
    count += len(gone)
    if relate is not None:
        count += relate_annotations(points, relate)
    if fold:
        points.fold()
    return count
