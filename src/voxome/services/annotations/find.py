"""Find annotations by position, id or segment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.resources.shapes import Points


def find_annotations(
    points: Points,
    *,
    box: tuple[Sequence[float], Sequence[float]] | None = None,
    ids: Iterable[int] | None = None,
    segment: int | None = None,
    relation: str | None = None,
) -> Annotations:
    """Return the annotations that fulfil all conditions, with their relations where the store has an index of ids.

    Parameters
    ----------
    points : Points
        The collection.
    box : (start, stop), optional
        Corners of a box, z, y, x in nm, that they meet.
    ids : iterable of int, optional
        Their ids.
    segment : int, optional
        A segment that they are related to.
    relation : str, optional
        By this relation; by any if it is None.

    Raises
    ------
    NotFound
        If an id does not exist.
    UnknownName
        If the relation does not exist.
    InvalidInput
        If there is no condition.
    """
    conditions: list[Annotations] = []
    if ids is not None:
        conditions.append(points.get(ids))
    if segment is not None:
        names = points.relations if relation is None else [relation]
        if not names:
            raise UnsupportedFormat(f"{points.uri} has no relation to segments")
        conditions.append(Annotations.join([_plain(points.related(name, segment)) for name in names]))
    if box is not None:
        conditions.append(conditions.pop().within(*box) if conditions else points.within(*box))
    if not conditions:
        raise InvalidInput("expected a box, ids or a segment")
    found = conditions[0]
    for other in conditions[1:]:
        found = found.select(np.flatnonzero(np.isin(found.ids, other.ids)))
    try:
        return points.get(found.ids.tolist())
    except UnsupportedFormat:
        return found


def _plain(found: Annotations) -> Annotations:
    return found.replace(relations={})
