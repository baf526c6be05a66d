"""Labelsz instances: the numbers of annotated points of bodies, counted by the server."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import UnknownName
from voxome.remotes.dvid.instance import Instance, as_labels

KINDS = ("PreSyn", "PostSyn", "Gap", "Note", "AllSyn")
"""Kinds of points; AllSyn is PreSyn and PostSyn together."""
BATCH = 10_000
"""Number of bodies per request."""


class LabelSizes(Instance):
    """Numbers of annotated points of bodies, kept up to date by the server."""

    def counts(self, bodies: Iterable[int], kind: str = "AllSyn") -> NDArray[np.int64]:
        """Return the number of points of a kind in each body; 0 if the body does not exist.

        Raises
        ------
        UnknownName
            If `kind` is not one of `KINDS`.
        """

        def ask(part: list[int]) -> list[int]:
            return self._query_json(
                "counts", _known(kind), body=part, parse=lambda reply: [int(row[kind]) for row in reply]
            )

        parts = self._in_batches(ask, as_labels(bodies).tolist(), BATCH)
        return np.array([count for part in parts for count in part], np.int64)

    def top(self, count: int, kind: str = "AllSyn") -> Rows:
        """Return the `count` bodies with most points of a kind: ``body`` and ``count``, most first.

        Raises
        ------
        UnknownName
            If `kind` is not one of `KINDS`.
        """
        found = self._get_json(
            "top", count, _known(kind), parse=lambda reply: [(r["Label"], int(r["Size"])) for r in reply or []]
        )
        bodies, counts = zip(*found, strict=True) if found else ((), ())
        return {"body": as_labels(bodies), "count": np.array(counts, np.int64)}


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise UnknownName.of("point kind", kind, KINDS)
    return kind
