"""Small region graphs, written by hand or random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxome.tools.em.kernels.edges import BINS, Edges

Row = tuple[int, int, Sequence[int]]


def edge_table(rows: Sequence[Row]) -> Edges:
    """Edges from (u, v, affinities of their voxel pairs)."""
    ids = np.array([(u, v) for u, v, _ in rows], np.uint64).reshape(-1, 2)
    values = np.zeros((len(rows), 2 + BINS), np.int64)
    for row, (_, _, affinities) in zip(values, rows, strict=True):
        row[:2] = sum(affinities), len(affinities)
        row[2:] = np.histogram(affinities, BINS, (0, 256))[0]
    return Edges(ids, values)


@st.composite
def region_graphs(draw: st.DrawFn) -> tuple[NDArray[np.uint64], Edges]:
    """Nodes 10, 11, ... and edges of few distinct affinities, so that many tie."""
    n = draw(st.integers(2, 12))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1])
    pairs = sorted(draw(st.sets(pair, max_size=30)))
    affinities = st.lists(st.sampled_from([0, 40, 120, 255]), min_size=1, max_size=3)
    rows = [(10 + u, 10 + v, draw(affinities)) for u, v in pairs]
    return np.arange(10, 10 + n, dtype=np.uint64), edge_table(rows)
