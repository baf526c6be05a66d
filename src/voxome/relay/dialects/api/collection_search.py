"""Annotations of a collection, as the API sends them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.points import SupportsLimitedSearch, SupportsPointsSummary
from voxome.contracts.shapes import Annotations
from voxome.contracts.source import PointsSource
from voxome.errors import InvalidInput, TooManyFound
from voxome.relay.dialects.api import models

MOST = 50_000
"""Annotations of one answer."""


def describe(name: str, source: PointsSource) -> models.Collection:
    """Return what is known of a collection."""
    summary = source.summarise() if isinstance(source, SupportsPointsSummary) else None
    return models.Collection(
        name=name, shape=source.shape, relations=list(source.relations),
        count=None if summary is None else summary.count,
        properties=None if summary is None else dict(summary.properties),
    )  # fmt: skip


def find(query: models.AnnotationsQuery, source: PointsSource) -> Annotations:
    """Return the annotations that a query is about, sorted by id.

    Raises
    ------
    NotFound
        If one of its ids does not exist.
    InvalidInput
        If the box is empty backwards, or the relation is none of the collection, or one of several.
    TooManyFound
        If there are more than `MOST`; a source with `SupportsLimitedSearch` finds out before it has read them all.
    """
    limited = source if isinstance(source, SupportsLimitedSearch) else None
    if query.ids is not None:
        ids = sorted({int(one) for one in query.ids.split(",")})
        _require_few(len(ids))
        return source.get(ids)
    if query.box_nm is not None:
        ranges = [[float(end) for end in one.split(":")] for one in query.box_nm.split(",")]
        if any(start > stop for start, stop in ranges):
            raise InvalidInput(f"box_nm {query.box_nm} has a start above its stop")
        start, stop = [start for start, _ in ranges], [stop for _, stop in ranges]
        found = source.within(start, stop) if limited is None else limited.within_limit(start, stop, MOST)
    else:
        relation, label = _relation(query, source), int(query.segment or 0)
        found = source.related(relation, label) if limited is None else limited.related_limit(relation, label, MOST)
    _require_few(len(found))
    return found


def _require_few(count: int) -> None:
    if count > MOST:
        raise TooManyFound(f"{count} annotations are over {MOST}; give a smaller box, or fewer ids")


def _relation(query: models.AnnotationsQuery, source: PointsSource) -> str:
    known = list(source.relations)
    if query.relation is None and len(known) != 1:
        raise InvalidInput(f"{query.collection} has {len(known)} relations; give one: {', '.join(known) or 'none'}")
    name = known[0] if query.relation is None else query.relation
    if name not in known:
        raise InvalidInput(f"{query.collection} has no relation {name}; it has {', '.join(known) or 'none'}")
    return name


def to_model(name: str, found: Annotations) -> models.Annotations:
    """Return annotations as they are sent."""
    columns = {key: _values(values) for key, values in found.properties.items()}
    return models.Annotations(
        collection=name,
        shape=found.shape,
        annotations=[
            models.Annotation.model_construct(
                id=str(id), positions_nm=positions, properties={key: values[row] for key, values in columns.items()},
                relations={key: [str(label) for label in np.asarray(labels[row]).ravel().tolist()]
                           for key, labels in found.relations.items()},
            )
            for row, (id, positions) in enumerate(
                zip(found.ids.tolist(), found.positions_nm.tolist(), strict=True)
            )
        ],
    )  # fmt: skip


def _values(column: NDArray[Any]) -> list[Any]:
    """Return the values of a property: JSON has no numbers that are not finite, and JavaScript none of 64 bits."""
    values: list[Any] = column.tolist()
    if column.dtype.kind in "iu" and column.dtype.itemsize == 8:
        return [str(one) for one in values]
    return [None if isinstance(one, float) and not math.isfinite(one) else one for one in values]
