"""Labelsz instances: how many annotated points each body has, counted by the server."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import UnknownName
from voxome.remotes.dvid.instance import Instance, as_labels

KINDS = ("PreSyn", "PostSyn", "Gap", "Note", "AllSyn")
"""What is counted; AllSyn is PreSyn and PostSyn together."""
BATCH = 10_000
"""Bodies asked for at once."""


class LabelSizes(Instance):
    """Counts of annotated points by body, kept up to date by the server."""

    def counts(self, bodies: Iterable[int], kind: str = "AllSyn") -> NDArray[np.int64]:
        """How many points of a kind each body has, 0 where there is no such body.

        Raises
        ------
        UnknownName
            If `kind` is none of `KINDS`.
        """

        def ask(part: list[int]) -> list[int]:
            return self._asked("counts", _known(kind), body=part, read=lambda said: [int(row[kind]) for row in said])

        parts = self._each(ask, as_labels(bodies).tolist(), BATCH)
        return np.array([count for part in parts for count in part], np.int64)

    def top(self, count: int, kind: str = "AllSyn") -> Rows:
        """The bodies with most points of a kind: ``body`` and ``count``, most first.

        Raises
        ------
        UnknownName
            If `kind` is none of `KINDS`.
        """
        found = self._json(
            "top", count, _known(kind), read=lambda said: [(r["Label"], int(r["Size"])) for r in said or []]
        )
        bodies, counts = zip(*found, strict=True) if found else ((), ())
        return {"body": as_labels(bodies), "count": np.array(counts, np.int64)}


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise UnknownName.of("point kind", kind, KINDS)
    return kind
